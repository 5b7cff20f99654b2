"""Redis loses everything while 200 requests come in each second: nobody notices, least of all the database.

Two processes share a PostgreSQL, to which all statements go through a proxy that counts them, and a Redis that is
emptied again and again. Quick: three times. `WAGGLE_TEST_LONG=1`: twenty times.
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
from .conftest import LONG, RUNNING, SHAPES, stores_of
from .counting import Counter, counted
from .load import ask, at_once, register_members
from .process import Waggle

RATE = 200
"""Requests per second, whether or not the last ones have been answered."""
NORMAL = 3
"""Seconds that tell what is usual."""
FLUSHES = 20 if LONG else 3
READERS, AUTHORS, POSTS = 40, 8, 3
FOLLOWED = 5


@dataclass(frozen=True)
class Page:
    """A page that does not change any more, and who reads it."""

    path: str
    reader: Member
    items: list[Json]


@dataclass
class Load:
    """Readers who ask at an even pace for one page after the other."""

    pages: Sequence[Page]
    crowd: Sequence[httpx.AsyncClient]
    statuses: Tally[int] = field(default_factory=Tally)
    other_pages: list[str] = field(default_factory=list)
    asked: int = 0
    seconds: float = 0.0
    """How long it took to ask and be answered."""

    async def run(self, seconds: int) -> None:
        begun, asking = time.monotonic(), set[asyncio.Task[None]]()
        for number in range(RATE * seconds):
            await asyncio.sleep(begun + number / RATE - time.monotonic())
            asking.add(asyncio.create_task(self._ask()))
        await asyncio.gather(*asking)
        self.seconds += time.monotonic() - begun

    async def _ask(self) -> None:
        page, http = self.pages[self.asked % len(self.pages)], self.crowd[self.asked % len(self.crowd)]
        self.asked += 1
        response = await http.get(page.path, headers=page.reader.headers())
        self.statuses[response.status_code] += 1
        if response.status_code == 200 and response.json()["items"] != page.items:
            self.other_pages.append(f"{page.path} of {page.reader.username}")


@dataclass
class Scene:
    servers: list[Waggle]
    statements: Counter
    redis: Server


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    if RUNNING or "scaled" not in SHAPES:
        pytest.skip("servers of our own are needed, with a Redis")
    with ExitStack() as stack:
        database, named = stack.enter_context(stores_of(request, "scaled"))
        way, statements = stack.enter_context(counted(database))
        settings = {"WAGGLE_PUBLIC_URL": "http://waggle.test", **named}
        servers = [Waggle("scaled", tmp_path, way, settings=settings) for _ in range(2)]
        servers[0].migrate()
        for waggle in servers:
            stack.callback(waggle.kill)
            waggle.start()
        yield Scene(servers, statements, Server("redis", named["WAGGLE_REDIS_URL"], "of this test"))
        assert [waggle.complaints() for waggle in servers] == [[], []]
        assert [waggle.stop() for waggle in servers] == [0, 0]


def some_pages(api: Api) -> list[Page]:
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

    def page(path: str, reader: Member) -> Page:
        return Page(path, reader, done(reader.get(path))["items"])

    def all_there() -> list[Page]:
        pages = [page("/api/v1/feeds/home", reader) for reader in readers]
        assert {len(one.items) for one in pages} == {FOLLOWED * POSTS}
        return pages

    def all_counted() -> None:
        ranked = done(readers[0].get("/api/v1/trending/hashtags"))["items"]
        assert {one["tag"]: one["posts"] for one in ranked} == {"bees": AUTHORS * POSTS}

    homes = eventually(all_there)
    eventually(all_counted)
    paths = ("/api/v1/feeds/public", "/api/v1/feeds/hashtags/bees", "/api/v1/trending/hashtags")
    others = [page(path, reader) for path in paths for reader in readers[:2]]
    return [*homes, *others]


@pytest.mark.timeout(180)
def test_re11_a_redis_that_forgets_all_at_200_requests_a_second_is_not_noticed(scene: Scene) -> None:
    with closing(Api(scene.servers[0].base_url)) as api:
        pages = some_pages(api)

    async def run() -> tuple[Load, float, list[int]]:
        limits = httpx.Limits(max_connections=8, max_keepalive_connections=8)
        async with AsyncExitStack() as stack:
            clients = [
                httpx.AsyncClient(base_url=one.base_url, limits=limits, timeout=30) for one in scene.servers
            ]
            crowd = [await stack.enter_async_context(client) for client in clients]
            load = Load(pages, crowd)
            await load.run(1)  # both processes learn who these people are
            before = scene.statements.statements
            await load.run(NORMAL)
            normal = (scene.statements.statements - before) / NORMAL
            return load, normal, [await flushed(load) for _ in range(FLUSHES)]

    async def flushed(load: Load) -> int:
        """Statements in the second after it."""
        await asyncio.to_thread(clear, scene.redis)
        before = scene.statements.statements
        await load.run(1)
        return scene.statements.statements - before

    load, normal, after = asyncio.run(run())
    rate = load.asked / load.seconds
    print(f"{rate:.0f} requests a second; {normal:.0f} statements for {RATE}, {after} after a flush")  # noqa: T201 - shown with a failure
    assert load.statuses == {200: RATE * (1 + NORMAL + FLUSHES)}
    assert load.other_pages == []
    assert max(after) <= 3 * normal
