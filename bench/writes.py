"""Goals 8, 9 and 10: the cost of a post until everything that it causes is done, and what its followers add to it.

    python -m bench.writes [--shapes embedded scaled] [--rounds 3]

A post with 99 followers among 100,000 users, and the same among 100, in turn. Then an author with 9,999 followers
beside one with none: how long each waits for the answer, and what fan-out costs per follower, all of whom have a full
timeline."""

import argparse
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import uvloop

from adapters.memory.feeds.timelines import MemoryTimelines
from application.feeds.ports import MAX_TIMELINE_ENTRIES, TimelineSegment
from application.shared.events import Published
from application.shared.feed_entries import FeedEntry
from bench.community import ALONE, CROWDED, FOLLOWERS, SMALL, TEXT, Community, post_id, user_id
from bench.inside import inside
from bench.readers import homes, tokens
from bench.stack import STORES, Measured, Stack, Target, request, stack
from domain.shared import MAX_ID, EventId, PostId, UserId

POSTS = 20_000
BATCH = 300
"""Posts per figure."""
PER_SECOND = 3.0
"""Posts per second of an author whose answers are timed: by then the fan-out of the previous post is done."""


def small(now_ms: int) -> Community:
    return Community(100 + len(FOLLOWERS), POSTS, {}, now_ms)


def posting(stores: Stack, author: int) -> str:
    return request("POST", "/api/v1/posts", tokens(stores, [author])[0], {"text": TEXT.strip()})


def by_size(shape: str, large: Stack, folder: Path, rounds: int) -> None:
    """Goals 8 and 9."""
    with stack(shape, small(int(time.time() * 1000)).tables(), folder) as other, ExitStack() as open_:
        servers = [(stores, open_.enter_context(stores.serving())) for stores in (large, other)]
        costs: list[list[float]] = [[], []]
        for turn in range(rounds + 1):
            for cost, (stores, target) in zip(costs, servers, strict=True):
                found = target.measure_until_idle([posting(stores, SMALL)] * BATCH, connections=4)
                if turn:  # the first one warms up
                    cost.append(found.cpu_us)
        many, few = (statistics.median(cost) for cost in costs)
        ratio = statistics.median(a / b for a, b in zip(*costs, strict=True))
    print(f"| {shape} | a post with 99 followers, until idle | {many / 1000:.2f} ms of CPU |")
    print(f"| {shape} | the same among 100 users | {few / 1000:.2f} ms; ratio {ratio:.2f} |", flush=True)


def waiting(shape: str, stores: Stack, readers: list[int], rounds: int) -> None:
    """Goal 10: the delay for the author."""
    with stores.serving() as target:
        target.load(homes(stores, readers), "--once", "--connections", 4)
        crowded, alone = posting(stores, CROWDED), posting(stores, ALONE)
        pairs = [(_answered(target, crowded), _answered(target, alone)) for _ in range(rounds)]
    ratio = statistics.median(a.p50_ms / b.p50_ms for a, b in pairs)
    p50s = [statistics.median(one.p50_ms for one in column) for column in zip(*pairs, strict=True)]
    print(
        f"| {shape} | answer to the author with 9,999 followers, p50 | {p50s[0]:.1f} ms; "
        f"with none {p50s[1]:.1f} ms; ratio {ratio:.2f} |",
        flush=True,
    )


def _answered(target: Target, post: str) -> Measured:
    target.idle()
    return target.measure([post], 8, 1, rate=PER_SECOND)


async def fanning_out(shape: str, stores: Stack, rounds: int) -> None:
    """Goal 10: the cost of fan-out to all followers."""
    async with inside(stores) as (container, _settings):
        fan_out = container.feeds().fan_out
        if isinstance(fan_out.timelines, MemoryTimelines):  # with room for all followers
            fan_out = replace(fan_out, timelines=MemoryTimelines(readers=2 * FOLLOWERS[CROWDED]))
        timelines = fan_out.timelines
        author = UserId(user_id(CROWDED))
        full = [
            FeedEntry(post_id(number), PostId(post_id(number)), author)
            for number in range(MAX_TIMELINE_ENTRIES, 0, -1)
        ]
        followers = [UserId(0)]
        while page := await fan_out.followers.after(author, followers[-1], 1_000):
            followers += page
        del followers[0]
        for follower in followers:
            await timelines.begin(follower, 1)
            await timelines.fill(follower, 1, TimelineSegment(full, full[-1].id, MAX_ID))
        here = Target(0, [os.getpid()])
        spent, took = [], []
        for number in range(rounds * 10):
            event = Published(
                author_id=author, post_id=post_id(POSTS + number), reply_to=None, visibility="public"
            )
            before, started = here.spent(), time.perf_counter()
            await fan_out(event, EventId(number))
            took.append(time.perf_counter() - started)
            spent.append(here.spent() - before)
        if len(followers) != FOLLOWERS[CROWDED]:
            raise SystemExit(f"only {len(followers)} followers got the post")
    cpu = statistics.mean(spent) / len(followers)
    print(f"| {shape} | fan-out to {len(followers):,} warm followers | {cpu:.1f} µs of CPU for each |")
    print(
        f"| {shape} | until the last one has it, median | {statistics.median(took) * 1000:.0f} ms |",
        flush=True,
    )


def measure(shape: str, rounds: int) -> None:
    members = Community(100_000, POSTS, {100: 1_000}, int(time.time() * 1000))
    with (
        tempfile.TemporaryDirectory() as name,
        tempfile.TemporaryDirectory() as other,
        stack(shape, members.tables(), Path(name)) as stores,
    ):
        with stores.serving():
            pass  # the first start creates the keys
        by_size(shape, stores, Path(other), rounds)
        waiting(shape, stores, [*members.groups[100]], rounds)
        uvloop.run(fanning_out(shape, stores, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", choices=STORES, default=["embedded", "scaled"])
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print("| shape | what | cost |")
    print("| --- | --- | --- |")
    for shape in chosen.shapes:
        measure(shape, chosen.rounds)


if __name__ == "__main__":
    main()
