"""Redis loses all its data while 200 requests arrive each second: clients notice nothing, and the database gets no burst.

Two processes share a PostgreSQL server, behind a proxy that counts all statements, and a Redis server that is flushed
several times: three times in a short run, twenty times with `WAGGLE_TEST_LONG=1`.
"""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.integration.servers import Server, clear

from .client import Api, Json, Member, done, eventually
from .conftest import LONG, RUNNING, SHAPES, needs_shape, stores_of
from .counting import Counter, counted
from .load import ask, at_once, register_members
from .process import Waggle

RATE = 200
"""Requests per second, whether or not the earlier ones have been answered."""
NORMAL = 3
"""Seconds of load that establish the normal number of statements."""
FLUSHES = 20 if LONG else 3
READERS, AUTHORS, POSTS = 40, 8, 3
FOLLOWED = 5


@dataclass(frozen=True)
class StablePage:
    """A page that no longer changes, and its reader."""

    path: str
    reader: Member
    items: list[Json]


@dataclass
class SteadyReaders:
    """Readers that request one page after the other at a constant rate."""

    pages: Sequence[StablePage]
    clients: Sequence[httpx.AsyncClient]
    statuses: Tally[int] = field(default_factory=Tally)
    other_pages: list[str] = field(default_factory=list)
    asked: int = 0
    seconds: float = 0.0
    """The time from the first request to the last answer, summed up over all runs."""

    async def run(self, seconds: int) -> None:
        begun, asking = time.monotonic(), set[asyncio.Task[None]]()
        for number in range(RATE * seconds):
            await asyncio.sleep(begun + number / RATE - time.monotonic())  # the constant rate
            asking.add(asyncio.create_task(self._read()))
        await asyncio.gather(*asking)
        self.seconds += time.monotonic() - begun

    async def _read(self) -> None:
        page, http = self.pages[self.asked % len(self.pages)], self.clients[self.asked % len(self.clients)]
        self.asked += 1
        response = await http.get(page.path, headers=page.reader.headers())
        self.statuses[response.status_code] += 1
        if response.status_code == 200 and response.json()["items"] != page.items:
            self.other_pages.append(f"{page.path} of {page.reader.username}")


@dataclass
class FlushHarness:
    servers: list[Waggle]
    statements: Counter
    redis: Server


@pytest.fixture
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FlushHarness]:
    if RUNNING or "scaled" not in SHAPES:
        pytest.skip(needs_shape("scaled"))
    with ExitStack() as stack:
        database, named = stack.enter_context(stores_of(request, "scaled"))
        way, statements = stack.enter_context(counted(database))
        settings = {"WAGGLE_PUBLIC_URL": "http://waggle.test", **named}
        servers = [Waggle("scaled", tmp_path, way, settings=settings) for _ in range(2)]
        servers[0].migrate()
        for waggle in servers:
            stack.callback(waggle.kill)
            waggle.start()
        yield FlushHarness(servers, statements, Server("redis", named["WAGGLE_REDIS_URL"], "of this test"))
        assert [waggle.complaints() for waggle in servers] == [[], []]
        assert [waggle.stop() for waggle in servers] == [0, 0]


def stable_pages(api: Api) -> list[StablePage]:
    members = register_members(api, READERS + AUTHORS)
    readers, authors = members[:READERS], members[READERS:]

    async def follow(http: httpx.AsyncClient, number: int) -> None:
        for step in range(FOLLOWED):
            author = authors[(number + step) % AUTHORS]
            path = f"/api/v1/users/{author.id}/follow"
            assert (await ask(http, "PUT", path, by=readers[number])).status_code == 200

    at_once(api.base_url, lambda http: (follow(http, number) for number in range(READERS)), 8)
    for number in range(AUTHORS * POSTS):
        authors[number % AUTHORS].publishes(f"number {number} #bees")

    def page(path: str, reader: Member) -> StablePage:
        return StablePage(path, reader, done(reader.get(path))["items"])

    def all_delivered() -> list[StablePage]:
        pages = [page("/api/v1/feeds/home", reader) for reader in readers]
        assert {len(one.items) for one in pages} == {FOLLOWED * POSTS}
        return pages

    def all_counted() -> None:
        ranked = done(readers[0].get("/api/v1/trending/hashtags"))["items"]
        assert {one["tag"]: one["posts"] for one in ranked} == {"bees": AUTHORS * POSTS}

    homes = eventually(all_delivered)
    eventually(all_counted)
    paths = ("/api/v1/feeds/public", "/api/v1/feeds/hashtags/bees", "/api/v1/trending/hashtags")
    others = [page(path, reader) for path in paths for reader in readers[:2]]
    return [*homes, *others]


@pytest.mark.timeout(180)
def test_flushes_of_redis_at_200_requests_a_second_go_unnoticed(harness: FlushHarness) -> None:
    with closing(Api(harness.servers[0].base_url)) as api:
        pages = stable_pages(api)

    async def run() -> tuple[SteadyReaders, float, list[int]]:
        limits = httpx.Limits(max_connections=8, max_keepalive_connections=8)
        async with AsyncExitStack() as stack:
            made = [
                httpx.AsyncClient(base_url=one.base_url, limits=limits, timeout=30) for one in harness.servers
            ]
            clients = [await stack.enter_async_context(client) for client in made]
            load = SteadyReaders(pages, clients)
            await load.run(1)  # both processes cache the tokens and names
            before = harness.statements.statements
            await load.run(NORMAL)
            normal = (harness.statements.statements - before) / NORMAL
            return load, normal, [await flushed(load) for _ in range(FLUSHES)]

    async def flushed(load: SteadyReaders) -> int:
        """Flush Redis. Returns the number of statements in the second after it."""
        await asyncio.to_thread(clear, harness.redis)
        before = harness.statements.statements
        await load.run(1)
        return harness.statements.statements - before

    load, normal, after = asyncio.run(run())
    rate = load.asked / load.seconds
    print(f"{rate:.0f} requests a second; {normal:.0f} statements for {RATE}, {after} after a flush")  # noqa: T201 - pytest shows it with a failure
    assert load.statuses == {200: RATE * (1 + NORMAL + FLUSHES)}
    assert load.other_pages == []
    assert max(after) <= 3 * normal
