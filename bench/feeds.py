"""Goals 1, 2, 4, 6 and 15: the home page, warm and cold, among 100,000 users.

    python -m bench.feeds [--posts 20000 2000000] [--shapes embedded scaled] [--rounds 3] [--seconds 3]

Warm: readers who have read before, in turn, beside a bare Litestar answer of the same bytes. Cold: each of many readers
asks a newly started server with an empty Redis once, one after the other. Then the warm home page with 80 % of the
requests that the server can answer, arriving at random."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.community import Community
from bench.readers import HOME, homes, tokens
from bench.stack import STORES, Measured, Stack, beside_floor, call, stack

USERS = 100_000
READERS = {100: 1_000, 2_000: 100}
WARM = 64
"""Readers who take turns. With more, each would read so seldom that its session is looked up for every page."""
COLD = 300
FULL = 20
CAPACITY = 0.8


def community(posts: int) -> Community:
    return Community(USERS, posts, READERS, int(time.time() * 1000))


def warm(stores: Stack, readers: Sequence[int], rounds: int, seconds: float) -> dict[str, Any]:
    with stores.serving() as target:
        requests = homes(stores, readers[:WARM])
        target.load(requests, "--once", "--connections", 1)
        body = call(target.port, HOME, token=tokens(stores, readers[:1])[0])
        if body.count(b'"reply_to"') != FULL:
            raise SystemExit(f"the page has not {FULL} posts: {body[:500]!r}")
        found = beside_floor(target, requests, body, rounds, seconds, stores.folder)
        rate = found["per_second"] * CAPACITY
        tails = [target.measure(requests, seconds * 2, 64, rate=rate) for _ in range(rounds)]
    return {**found, "tail": statistics.median(one.p99_ms / one.p50_ms for one in tails)}


def cold(stores: Stack, readers: Sequence[int]) -> Measured:
    stores.forget()
    with stores.serving() as target:
        requests = homes(stores, readers[:COLD])
        return target.measure_until_idle(requests, connections=1)


def measure(shape: str, posts: int, rounds: int, seconds: float) -> None:
    members = community(posts)
    with tempfile.TemporaryDirectory() as name, stack(shape, members.tables(), Path(name)) as stores:
        with stores.serving():
            pass  # the first start creates the keys
        for following, readers in members.groups.items():
            row = f"| {shape} | {posts:,} | {following:,} "
            found = warm(stores, readers, rounds, seconds)
            print(
                row
                + "| warm | {cpu_us:.0f} | {floor_us:.0f} | {ratio:.0%} | {per_second:,.0f} "
                "| {p50_ms:.1f} | {p99_ms:.1f} | {tail:.1f} |".format(**found),
                flush=True,
            )
            first = [cold(stores, readers) for _ in range(rounds)]
            cpu, p50, p99 = (
                statistics.median(getattr(one, name) for one in first)
                for name in ("cpu_us", "p50_ms", "p99_ms")
            )
            print(row + f"| cold | {cpu:,.0f} | | | | {p50:.1f} | {p99:.1f} | |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, nargs="+", default=[20_000, 2_000_000])
    parser.add_argument("--shapes", nargs="+", choices=STORES, default=["embedded", "scaled"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    chosen = parser.parse_args()
    print(
        "| shape | posts | follows | page | CPU µs | floor µs | floor ÷ ours | req/s | p50 ms | p99 ms | p99 ÷ p50 |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in chosen.shapes:
        for posts in chosen.posts:
            measure(shape, posts, chosen.rounds, chosen.seconds)


if __name__ == "__main__":
    main()
