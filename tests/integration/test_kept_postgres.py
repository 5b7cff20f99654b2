"""Kept responses on PostgreSQL are those of the ordinary path, whatever this process and another one write."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.sql.change_log import ChangeLog
from adapters.sql.database import Database
from application.shared.readings import Reading, Readings
from tests.integration.kept_postgres import POSTGRES_WRITES, PostgresWalk
from tests.integration.servers import Server, fresh_database
from tests.port_contracts.stores import migrated
from tests.unit.kept_walk import HOME, call, walking
from tests.unit.kept_writes import walk_on

LONG = os.environ.get("WAGGLE_TEST_LONG", "") not in {"", "0"}


@pytest.fixture
def url(postgres_server: Server) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        yield url


@asynccontextmanager
async def walking_on(folder: Path, url: str, **more: str) -> AsyncIterator[PostgresWalk]:
    await migrated(url)
    elsewhere = Database.at(url)
    await elsewhere.open()
    PostgresWalk.elsewhere = elsewhere
    try:
        async with walking(folder, PostgresWalk, WAGGLE_DATABASE_URL=url, **more) as walk:
            assert isinstance(walk, PostgresWalk)
            yield walk
    finally:
        await elsewhere.close()


@pytest.mark.timeout(1800 if LONG else 180)
@pytest.mark.parametrize("seed", range(4 if LONG else 1))
async def test_every_response_is_that_of_the_ordinary_path(url: str, tmp_path: Path, seed: int) -> None:
    async with walking_on(tmp_path, url) as walk:
        await walk_on(walk, Random(seed), 400 if LONG else 25, POSTGRES_WRITES)  # noqa: S311 - no secret
        assert walk.compared > (6_000 if LONG else 400)
        assert walk.differences == []


@pytest.mark.timeout(180)
async def test_with_redis_too(
    url: str, redis_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages do not depend on timelines in Redis, and the limiter there is charged."""
    more = {"WAGGLE_REDIS_URL": redis_server.url, "WAGGLE_RATE_LIMITS": "read=9000/60,write=9000/60"}
    async with walking_on(tmp_path, url, **more) as walk:
        await walk_on(walk, Random(5), 100 if LONG else 8, POSTGRES_WRITES)  # noqa: S311 - no secret
        assert walk.compared > 100
        assert walk.differences == []


async def test_a_response_is_sent_again_until_another_process_changes_it(url: str, tmp_path: Path) -> None:
    async with walking_on(tmp_path, url) as walk:
        asked = _count_asked(walk)
        first = await call(walk.kept, "GET", HOME, walk.tokens[0])
        assert await call(walk.kept, "GET", HOME, walk.tokens[0]) == first
        read = asked["home"]
        assert await call(walk.kept, "GET", HOME, walk.tokens[0]) == first
        assert asked["home"] == read
        await walk.foreign("UPDATE posts SET likes = likes + 1")
        assert (await call(walk.kept, "GET", HOME, walk.tokens[0]))[2] != first[2]
        assert asked["home"] == read + 1


def _count_asked(walk: PostgresWalk) -> dict[str, int]:
    """How often the ordinary path was asked for a home page."""
    gather: Any = walk.container.feeds().read_home_feed
    count = {"home": 0}
    read = gather.read_page

    async def counted(*arguments: Any) -> Any:
        count["home"] += 1
        return await read(*arguments)

    object.__setattr__(gather, "read_page", counted)
    return count


# Each step taken away in turn


def blind_to_others(patch: pytest.MonkeyPatch) -> None:
    """Uses kept responses without asking for changes, except every now and then."""

    async def catch_up(self: ChangeLog) -> bool:
        return True

    patch.setattr(ChangeLog, "catch_up", catch_up)
    patch.setattr(ChangeLog, "is_current", lambda _: True)


def by_numbers(patch: pytest.MonkeyPatch) -> None:
    """Takes transactions in the order of their numbers, as a sequence would."""
    patch.setattr("adapters.sql.change_log.xmin_of", lambda snapshot: snapshot.split(":")[1])


def untouched_while_read(patch: pytest.MonkeyPatch) -> None:
    """Keeps what was touched while it was read."""
    touch = Readings.touch

    def forgetful(self: Readings, key: Any) -> None:
        opened, self._opened = self._opened, set()
        touch(self, key)
        self._opened = opened

    patch.setattr(Readings, "touch", forgetful)


def never_outdated(patch: pytest.MonkeyPatch) -> None:
    """Does not outdate what was kept before."""
    keep = Readings.keep

    def unfollowed(self: Readings, reading: Reading) -> bool:
        kept, self._kept = self._kept, {}
        try:
            return keep(self, reading)
        finally:
            self._kept = kept

    patch.setattr(Readings, "keep", unfollowed)


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    mutant.__name__: mutant for mutant in (blind_to_others, by_numbers, untouched_while_read, never_outdated)
}


@pytest.mark.skipif(not LONG, reason="takes minutes: WAGGLE_TEST_LONG=1")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", MUTANTS)
async def test_the_walk_notices_a_step_that_is_missing(
    mutant: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MUTANTS[mutant](monkeypatch)
    async with walking_on(tmp_path, url) as walk:
        await walk_on(walk, Random(1), 300, POSTGRES_WRITES, stop_at_difference=True)  # noqa: S311 - no secret
        assert walk.differences
