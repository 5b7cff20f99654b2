"""The time of a home page in detail: its steps, and how often stores are asked, within one process.

    python -m bench.steps [--shapes embedded scaled] [--posts 20000] [--follows 100] [--pages 3000]

Each figure is the processor time that a step takes in this process, without the steps that it calls; the cost of the
stores is not included. Measuring adds a microsecond or two to each call of a step, so steps that are called often look
slightly worse than they are."""

import argparse
import functools
import inspect
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import uvloop

from adapters.sql.database import Database
from application.feeds import pipeline
from bench.feeds import WARM, community
from bench.inside import inside
from bench.readers import HOME, tokens
from bench.stack import STORES, Stack, stack
from entrypoints.access import authentication, limits
from entrypoints.container import Container
from entrypoints.http import fragments, paging
from entrypoints.http.app import create_app


class Steps:
    """Time by step, each without the steps that it calls."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._inner = [0.0]

    def _end(self, name: str, started: float) -> None:
        took = time.thread_time() - started
        self.spent[name] += took - self._inner.pop()  # type: ignore[assignment]  # seconds
        self._inner[-1] += took
        self.calls[name] += 1

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def waits(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            started = time.thread_time()
            try:
                return await function(*args, **kwargs)
            finally:
                self._end(name, started)

        @functools.wraps(function)
        def returns(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            started = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self._end(name, started)

        return waits if inspect.iscoroutinefunction(function) else returns


def parts(container: Container) -> Sequence[tuple[str, type, str]]:
    """The parts that are measured: name, class and method."""
    home = container.feeds().read_home_feed
    page, gather = home.read_page, home.gather
    return (
        ("authenticate: token and session", authentication.Authenticator, "__call__"),
        ("authenticate: token and session", type(container.identity().authenticate), "__call__"),
        ("limits", limits.RateLimits, "charge_user"),
        ("viewer context", type(home.viewer_contexts), "of"),
        ("home: use case", type(home), "__call__"),
        ("home: gather", type(gather), "__call__"),
        ("timeline: read", type(gather.timelines), "read"),
        ("feed entries: own and popular", type(home.feed_entries), "by_sources"),
        ("rules: first reposts", type(home.feed_entries), "first_reposts"),
        ("page: rounds, cursors", type(page), "__call__"),
        ("show: states, contents, author cards", type(page.hydrate), "__call__"),
        ("SQL", Database, "fetch"),
        ("rules", pipeline.OncePerPost, "__call__"),
        ("JSON of the posts", fragments.Fragments, "all"),
        ("cursors, links, JSON of the page", paging.Pager, "ready"),
    )


async def ask(app: Any, token: str) -> int:
    """One request, without a network. Returns the length of the answer."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": HOME,
        "raw_path": HOME.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())],
        "asgi": {"version": "3.0"},
        "state": {},
        "extensions": {},
    }
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    await app(scope, receive, send)
    if said[0]["status"] != 200:
        raise SystemExit(f"the answer was {said}")
    return len(said[1]["body"])


async def take_apart(stores: Stack, given: Sequence[str], pages: int) -> None:
    async with inside(stores) as (container, settings):
        app = create_app(container, settings)
        plain = []
        for number in range(2 * pages):
            started = time.thread_time()
            await ask(app, given[number % len(given)])
            plain.append(time.thread_time() - started)
        commands = stores.redis_calls()
        steps = Steps()
        patches = [
            patch.object(owner, name, steps.timed(label, getattr(owner, name)))
            for label, owner, name in parts(container)
        ]
        for one in patches:
            one.start()
        request = steps.timed("HTTP, without a network", ask)
        for number in range(pages):
            await request(app, given[number % len(given)])
        for one in patches:
            one.stop()
    print(f"| all, not taken apart (median) | {statistics.median(plain[pages:]) * 1e6:.0f} | | |")
    whole = sum(steps.spent.values())
    for name, spent in steps.spent.most_common():
        print(
            f"| {name} | {spent / pages * 1e6:.1f} | {spent / whole:.0%} | {steps.calls[name] / pages:.2f} |"
        )
    for name, calls in sorted((stores.redis_calls() - commands).items()):
        if calls > pages // 100:
            print(f"| Redis {name} | | | {calls / pages:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", choices=STORES, default=["embedded", "scaled"])
    parser.add_argument("--posts", type=int, default=20_000)
    parser.add_argument("--follows", type=int, default=100)
    parser.add_argument("--pages", type=int, default=3_000)
    chosen = parser.parse_args()
    members = community(chosen.posts)
    for shape in chosen.shapes:
        with tempfile.TemporaryDirectory() as name, stack(shape, members.tables(), Path(name)) as stores:
            with stores.serving():
                pass  # the first start creates the keys
            given = tokens(stores, members.groups[chosen.follows][:WARM])
            print(f"| {shape}: step | µs a page | share | calls a page |")
            print("| --- | --- | --- | --- |", flush=True)
            uvloop.run(take_apart(stores, given, chosen.pages))


if __name__ == "__main__":
    main()
