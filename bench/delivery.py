"""The cost of a plain public post until its event was brought to every subscriber, beside another checkout.

    python -m bench.delivery --beside PATH [--shapes memory embedded] [--posts 400] [--rounds 7]

A server of each checkout publishes the same number of posts, in turn, in one run: the machine is shared and its speed
drifts. The figure to trust is the ratio of processor time, of each round and then its median.
"""

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.community import SECRET, TEXT
from bench.posts import BEE
from bench.processes import ROOT, server
from bench.stack import LIMITS, Target, call, free_port, request

DATABASES = {"memory": "memory:", "embedded": ""}


def serving(open_: ExitStack, root: Path, shape: str) -> tuple[Target, str]:
    """A server of the checkout at `root`, and a request that publishes a post there."""
    env = {
        "WAGGLE_PASSWORD_COST": "4",
        "WAGGLE_DATA_DIR": open_.enter_context(tempfile.TemporaryDirectory()),
        "WAGGLE_DATABASE_URL": DATABASES[shape],
        "WAGGLE_RATE_LIMITS": LIMITS,
        "WAGGLE_SECRET_KEY": SECRET,
    }
    port = free_port()
    arguments = ("-m", "entrypoints.cli", "serve")
    process = open_.enter_context(server(*arguments, port=port, path="/readyz", env=env, root=root))
    token = json.loads(call(port, "/api/v1/auth/register", BEE))["tokens"]["access_token"]
    return Target(port, [process.pid]), request("POST", "/api/v1/posts", token, {"text": TEXT.strip()})


def measure(shape: str, other: Path, posts: int, rounds: int, connections: int) -> None:
    costs: list[list[float]] = [[], []]
    with ExitStack() as open_:
        servers = [serving(open_, root, shape) for root in (other, ROOT)]
        for turn in range(rounds + 1):
            for cost, (target, post) in zip(costs, servers, strict=True):
                found = target.measure_until_idle([post] * posts, connections)
                if turn:  # the first warms up
                    cost.append(found.cpu_us)
    before, after = (statistics.median(cost) for cost in costs)
    ratio = statistics.median(b / a for a, b in zip(*costs, strict=True))
    print(f"| {shape} | {connections} | {before:.0f} | {after:.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--beside", type=Path, required=True, metavar="PATH", help="the other checkout")
    parser.add_argument("--shapes", nargs="+", choices=DATABASES, default=[*DATABASES])
    parser.add_argument("--posts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4])
    chosen = parser.parse_args()
    print("| shape | clients | the other: CPU µs per post | this one | this ÷ the other |")
    print("| --- | --- | --- | --- | --- |")
    for shape in chosen.shapes:
        for connections in chosen.connections:
            measure(shape, chosen.beside.resolve(), chosen.posts, chosen.rounds, connections)


if __name__ == "__main__":
    main()
