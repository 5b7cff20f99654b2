"""The search index on SQLite: it drops deleted words, and no search scans all posts."""

import asyncio
import gc
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, Select, func, literal_column, select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from adapters.sql.database import Database
from adapters.sql.identity import searching as people_search
from adapters.sql.posts import searching
from adapters.sql.posts.purging import merge_words
from adapters.sql.posts.words import match
from adapters.sql.sqlite_reads import ReadThread
from adapters.sql.statements import Prepared
from domain.shared import Unavailable
from domain.words import Phrase
from tests.port_contracts.posts import remove
from tests.port_contracts.search import edit
from tests.port_contracts.stores import Stores, migrated, sql

CANARY = "kanarienvogel"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "waggle.db"
    asyncio.run(migrated(f"sqlite:///{path}"))
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "waggle.db"))


@pytest.fixture
async def stores(path: Path) -> AsyncIterator[Stores]:
    async with sql(f"sqlite:///{path}") as some:
        yield some


def kept(path: Path) -> int:
    """The number of blocks of the index that contain the word."""
    with closing(sqlite3.connect(path)) as connection:
        blocks = connection.execute("SELECT block FROM post_search_data").fetchall()
    return sum(CANARY.encode() in block for (block,) in blocks)


async def until_forgotten(stores: Stores) -> None:
    more = True
    while more:
        async with stores.posts.open_tx() as tx:
            more = await tx.erasure.compact_index()


async def test_di7_the_index_drops_words_of_deleted_posts_and_earlier_versions(
    stores: Stores, path: Path
) -> None:
    for _ in range(3):
        await stores.add_post(text="bees")
    posts = [await stores.add_post(text=CANARY) for _ in range(2)]
    await remove(stores, posts[0])
    await edit(stores, posts[1], "bees")
    assert kept(path) > 0

    await until_forgotten(stores)

    assert kept(path) == 0


async def test_merging_keeps_existing_words(stores: Stores, path: Path) -> None:
    for _ in range(20):
        await stores.add_post(text=CANARY)

    await until_forgotten(stores)

    assert kept(path) > 0
    assert stores.database is not None
    async with stores.database.begin() as transaction:
        assert await merge_words(transaction) is False


async def test_a_read_that_takes_too_long_is_interrupted(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stores.database is not None
    endless = Prepared(_endless())
    await stores.database.close()
    monkeypatch.setattr("adapters.sql.sqlite_reads.COMMAND_TIMEOUT", 0.05)
    await stores.database.open()

    with pytest.raises(Unavailable):
        await stores.database.fetch_slow(endless)
    assert await stores.database.fetch_slow(Prepared(select(literal_column("1")))) == [(1,)]


async def test_a_read_that_was_interrupted_twice_has_ended_before_the_next_one_begins(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    thread, interrupts = ReadThread(str(path), 5.0), 0

    class Deaf(sqlite3.Connection):
        """Ignores the first interruption."""

        def interrupt(self) -> None:
            nonlocal interrupts
            interrupts += 1
            if interrupts > 1:
                super().interrupt()

    begun = threading.Event()
    thread._connection = sqlite3.connect(path, check_same_thread=False, factory=Deaf)
    thread._connection.set_trace_callback(lambda _: begun.set())
    reading = asyncio.create_task(thread.fetch(str(_endless().compile(dialect=SQLiteDialect_pysqlite())), []))
    assert await asyncio.to_thread(begun.wait, 5)
    reading.cancel()
    async with asyncio.timeout(5):
        while not interrupts:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert interrupts > 1
    assert await thread.fetch("SELECT 1", []) == [(1,)]
    await thread.close()
    gc.collect()
    await asyncio.sleep(0)
    assert caplog.records == []  # nobody asks any more how it ended


def _endless() -> Select[Any]:
    number = select(literal_column("1", Integer).label("n")).cte("number", recursive=True)
    number = number.union_all(select(number.c.n + literal_column("1")))
    return select(func.count()).select_from(number)


PARAMS = {
    "viewer": 1,
    "hidden": "[]",
    "blocked": "[]",
    "sought": match([Phrase(("bee",))]),
    "edge": 1 << 60,
    "n": 1,
    "first": "a",
    "last": "b",
    "beyond": "",
    "name": "@a",
    "name_end": "@b",
    "word": "a",
    "word_end": "b",
    "others": "[]",
    "many": 0,
    "exactly": "a",
}
SEARCHES = {
    "posts descending": searching._in_sqlite._descending,
    "posts ascending": searching._in_sqlite._ascending,
    "tags descending": searching._tags_descending,
    "tags ascending": searching._tags_ascending,
    "people descending": people_search._people._descending,
    "people ascending": people_search._people._ascending,
}


@pytest.mark.parametrize("name", SEARCHES)
def test_no_search_scans_all_posts(path: Path, name: str) -> None:
    database = Database.at(f"sqlite:///{path}")
    sql_text, values = SEARCHES[name].bound(database.dialect, PARAMS)
    with closing(sqlite3.connect(path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql_text}", values)]

    scanned = {step for step in plan if step.startswith("SCAN ")}
    assert (
        not {f"SCAN {name}" for name in ("posts", "accounts", "hashtags", "name_words", "other")} & scanned
    ), plan
    if name.startswith("posts"):  # in the order of the index, so it ends when there are enough rows
        assert not any("TEMP B-TREE" in step for step in plan), plan
