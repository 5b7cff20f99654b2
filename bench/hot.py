"""Goals 1 to 3 and 15: the hot reads, warm, alone and among writes, beside the floor.

    python -m bench.hot [--shapes embedded scaled] [--cases home post …] [--rounds 9] [--seconds 1] [--beside PATH]

A small community: a reader follows ten authors, whose 20 newest posts are the reader's page. Writers who nobody follows
like these posts, and take the likes back. A share of the requests is such a write, and its cost is part of the figure.
`foreign` has another process that commits ten times a second, which outdates all that is kept.

Each case is measured beside a bare Litestar answer of the same bytes, and beside the server of another checkout if there is
one, in turn. The figure to trust is the ratio of processor time per request: of each round, then the median. The stores
of the scaled shape count, and may use every core that the server uses (BENCH_SERVER_CORES)."""

import argparse
import json
import random
import sqlite3
import statistics
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.community import SECRET, TEXT
from bench.processes import ROOT, server
from bench.stack import LIMITS, Target, call, etag_of, floor, free_port, request, stack

HOME = "/api/v1/feeds/home"
AUTHORS, WRITERS, SHOWN = 10, 8, 20
REQUESTS = 2_000
FOREIGN_EVERY = 0.1
"""Seconds between two commits of another process."""
CAPACITY = 0.8


@dataclass(frozen=True, slots=True)
class Case:
    path: str
    write_share: float = 0
    is_poll: bool = False
    """Sends the ETag of the first answer, which is 304 while nothing changes."""
    is_foreign: bool = False
    is_tail: bool = False
    """Also at 80 % of the requests that can be answered, arriving at random."""


@dataclass(frozen=True, slots=True)
class Community:
    """What was registered and published over HTTP on one server."""

    port: int
    reader: str
    writers: Sequence[str]
    author: str
    posts: Sequence[str]

    @classmethod
    def on(cls, port: int) -> "Community":
        (_, reader), *others = [_register(port, number) for number in range(1 + AUTHORS + WRITERS)]
        authors, writers = others[:AUTHORS], others[AUTHORS:]
        for user, _ in authors:
            call(port, f"/api/v1/users/{user}/follow", token=reader, method="PUT")
        posts = []
        for number in range(SHOWN):
            _, token = authors[number % AUTHORS]
            body = {"text": f"{TEXT.strip()} #linden{number}" if number % 2 else f"{TEXT.strip()} #linden"}
            posts.append(json.loads(call(port, "/api/v1/posts", body, token))["id"])
        return cls(port, reader, [token for _, token in writers], authors[0][0], posts)

    def cases(self) -> Mapping[str, Case]:
        return {
            "home": Case(HOME),
            "home, 1 % writes": Case(HOME, 0.01),
            "home, 5 % writes": Case(HOME, 0.05, is_tail=True),
            "home, 20 % writes": Case(HOME, 0.2),
            "home, polled": Case(HOME, is_poll=True),
            "home, foreign": Case(HOME, is_foreign=True),
            "post": Case(f"/api/v1/posts/{self.posts[0]}"),
            "post, 1 % writes": Case(f"/api/v1/posts/{self.posts[0]}", 0.01),
            "user": Case(f"/api/v1/users/{self.author}/posts"),
            "public": Case("/api/v1/feeds/public"),
            "hashtag": Case("/api/v1/feeds/hashtags/linden"),
            "comments": Case(f"/api/v1/posts/{self.posts[0]}/comments"),
            "trending": Case("/api/v1/trending/posts"),
        }

    def requests(self, case: Case) -> Sequence[str]:
        """Reads, and writes that each change something."""
        etag = etag_of(self.port, case.path, self.reader) if case.is_poll else ""
        read = request("GET", case.path, self.reader, etag=etag)
        chance, writes = random.Random(1), self._writes()
        return [next(writes) if chance.random() < case.write_share else read for _ in range(REQUESTS)]

    def _writes(self) -> Iterator[str]:
        while True:
            for token in self.writers:
                for method in ("PUT", "DELETE"):
                    for post in self.posts:
                        yield request(method, f"/api/v1/posts/{post}/like", token)


def _register(port: int, number: int) -> tuple[str, str]:
    name = f"bee{number}"
    body = {"username": name, "email": f"{name}@example.org", "password": "correct horse battery"}
    made = json.loads(call(port, "/api/v1/auth/register", body))
    return made["user"]["id"], made["tokens"]["access_token"]


@contextmanager
def _committing(file: Path | None) -> Iterator[None]:
    """Another process that writes; a connection of this one is no different to the server."""
    if file is None:
        yield
        return
    over = threading.Event()

    def commit() -> None:
        connection = sqlite3.connect(file, isolation_level=None, timeout=5)
        while not over.wait(FOREIGN_EVERY):
            connection.execute("UPDATE posts SET version = version WHERE id = 0")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO inbox (event_id, subscriber) VALUES (abs(random()), 'bench')")
            connection.execute("COMMIT")
        connection.close()

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def serving(root: Path, env: Mapping[str, str]) -> Iterator[tuple[Target, Path]]:
    """A server of the checkout at `root`, embedded, and its database."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        own = {
            "WAGGLE_PASSWORD_COST": "4",
            "WAGGLE_DATA_DIR": folder,
            "WAGGLE_RATE_LIMITS": LIMITS,
            "WAGGLE_SECRET_KEY": SECRET,
            **env,
        }
        arguments = ("-m", "entrypoints.cli", "serve")
        with server(*arguments, port=port, path="/readyz", env=own, root=root) as process:
            yield Target(port, [process.pid]), Path(folder) / "waggle.db"


def measure(
    shape: str,
    wanted: Sequence[str],
    rounds: int,
    seconds: float,
    beside: Path | None,
    env: Mapping[str, str],
) -> None:
    with ExitStack() as open_:
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory()))
        file: Path | None = None
        if shape == "embedded":
            target, file = open_.enter_context(serving(ROOT, env))
        else:
            stores = open_.enter_context(stack(shape, [], folder))
            target = open_.enter_context(stores.serving(env))
        targets = {"this": (target, Community.on(target.port))}
        if beside is not None and shape == "embedded":
            other, _ = open_.enter_context(serving(beside, {}))
            targets["other"] = (other, Community.on(other.port))
        for target, _ in targets.values():
            target.idle()
        names = [*targets["this"][1].cases()]
        for name in wanted or names:
            if name in names and not (name == "home, foreign" and file is None):
                print(_row(shape, name, targets, rounds, seconds, folder, file), flush=True)


def _row(
    shape: str,
    name: str,
    targets: Mapping[str, tuple[Target, Community]],
    rounds: int,
    seconds: float,
    folder: Path,
    file: Path | None,
) -> str:
    target, members = targets["this"]
    case = members.cases()[name]
    body = call(target.port, case.path, token=members.reader)
    loads = {key: (each, of.requests(of.cases()[name])) for key, (each, of) in targets.items()}
    costs: dict[str, list[float]] = {key: [] for key in ("floor", *loads)}
    last = None
    with floor(body, folder) as (bare, plain), _committing(file if case.is_foreign else None):
        for turn in range(rounds + 1):  # the first warms up
            for key, (each, requests) in {"floor": (bare, plain), **loads}.items():
                found = each.measure(requests, seconds)
                if turn:
                    costs[key].append(found.cpu_us)
                if key == "this":
                    last = found
        tail = ""
        if case.is_tail and last is not None:
            rate = last.per_second * CAPACITY
            tails = [
                target.measure(loads["this"][1], seconds * 2, 64, rate=rate)
                for _ in range(max(1, rounds // 3))
            ]
            tail = f"{statistics.median(one.p99_ms / one.p50_ms for one in tails):.1f}"
    medians = {key: statistics.median(each) for key, each in costs.items()}
    of_floor = statistics.median(a / b for a, b in zip(costs["floor"], costs["this"], strict=True))
    times = ""
    if "other" in costs:
        times = f"{statistics.median(a / b for a, b in zip(costs['other'], costs['this'], strict=True)):.1f}"
    return f"| {shape} | {name} | {medians['this']:.0f} | {medians['floor']:.0f} | {of_floor:.0%} | {times} | {tail} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--shapes", nargs="+", choices=["embedded", "postgres", "scaled"], default=["embedded"]
    )
    parser.add_argument("--cases", nargs="+", default=[], metavar="CASE")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument(
        "--beside", type=Path, metavar="PATH", help="another checkout, for the embedded shape"
    )
    parser.add_argument("--read-model", choices=["on", "off"], default="on")
    chosen = parser.parse_args()
    print("| shape | case | CPU µs | floor µs | floor ÷ ours | other ÷ ours | p99 ÷ p50 at 80 % |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for shape in chosen.shapes:
        env = {"WAGGLE_READ_MODEL": chosen.read_model}
        measure(shape, chosen.cases, chosen.rounds, chosen.seconds, chosen.beside, env)


if __name__ == "__main__":
    main()
