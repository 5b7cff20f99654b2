"""The only writing connection of SQLite: whatever ends a transaction, the next one gets the connection."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.sql import sqlite
from adapters.sql.commit_thread import CommitThread
from adapters.sql.sqlite import SqliteTransaction, SqliteWriter
from domain.shared import Unavailable


class Listener:
    """Fails when it is told to."""

    def __init__(self) -> None:
        self.fails = ""
        self.opened_times = 0

    def opened(self, connection: sqlite3.Connection) -> None:
        del connection
        self.opened_times += 1
        self._heard("opened")

    def begun(self) -> None:
        self._heard("begun")

    def ended(self) -> None:
        self._heard("ended")

    def _heard(self, what: str) -> None:
        if self.fails == what:
            self.fails = ""
            raise ZeroDivisionError(what)


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "waggle.db")
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE numbers (number INTEGER)")
    connection.close()
    return path


@pytest.fixture
async def writer(path: str) -> AsyncIterator[SqliteWriter]:
    writer = SqliteWriter(path)
    yield writer
    await writer.close()


async def begun(writer: SqliteWriter, number: int) -> SqliteTransaction:
    transaction = await writer.begin(is_synced=True)
    await transaction.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})
    return transaction


async def add(writer: SqliteWriter, number: int) -> None:
    await (await begun(writer, number)).commit()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until tasks that need nothing but the event loop have brought it about."""
    for _ in range(100):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError


def numbers(path: str) -> list[int]:
    connection = sqlite3.connect(path)
    try:
        return [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY number")]
    finally:
        connection.close()


async def test_one_that_comes_while_the_lock_changes_hands_does_not_wait_for_ever(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await begun(writer, 1)
    second = asyncio.create_task(writer.begin(is_synced=True))
    await until(lambda: writer.pool().waiting == 1)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.02)
    await first.rollback()  # the second one has the lock as soon as the event loop goes on

    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await writer.begin(is_synced=True)

    await (await second).rollback()
    assert writer.pool() == ("write", 1, 0, 0)


async def test_a_cancellation_at_any_moment_loses_nothing(writer: SqliteWriter, path: str) -> None:
    for moment in range(12):
        holder = await begun(writer, -1)
        some = [asyncio.create_task(add(writer, 10 * moment + number)) for number in range(4)]
        for step in range(12):
            if step == 3:
                await holder.rollback()
            if step == moment:
                for task in some[::2]:
                    task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*some, return_exceptions=True)

        assert [some[number].exception() for number in (1, 3)] == [None, None]
        assert {10 * moment + 1, 10 * moment + 3} <= {*numbers(path)}
        assert writer.pool() == ("write", 1, 0, 0)
    assert -1 not in numbers(path)


async def test_one_that_is_cancelled_while_another_process_writes_frees_the_lock(
    writer: SqliteWriter, path: str
) -> None:
    await add(writer, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits = asyncio.create_task(writer.begin(is_synced=True))
    await until(lambda: writer.pool().in_use == 1)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    other.close()

    await add(writer, 2)
    assert numbers(path) == [1, 2]


@pytest.mark.parametrize(("moment", "kept"), [("begun", [2]), ("ended", [1, 2])])
async def test_a_listener_that_fails_does_not_keep_the_lock(
    writer: SqliteWriter, path: str, moment: str, kept: list[int]
) -> None:
    listener = Listener()
    await writer.listen(listener)
    listener.fails = moment
    with pytest.raises(ZeroDivisionError):
        await add(writer, 1)

    await add(writer, 2)
    assert numbers(path) == kept


async def after_a_failed_rollback(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> Listener:
    def refuse(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    listener = Listener()
    await writer.listen(listener)
    transaction = await begun(writer, 1)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite._Connection, "rollback", refuse)
        await transaction.rollback()
    return listener


async def test_a_connection_that_cannot_roll_back_is_replaced(
    writer: SqliteWriter, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = await after_a_failed_rollback(writer, monkeypatch)

    await add(writer, 2)
    assert numbers(path) == [2]
    assert listener.opened_times == 2


async def test_a_listener_that_refuses_the_new_connection_hears_of_it_again(
    writer: SqliteWriter, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = await after_a_failed_rollback(writer, monkeypatch)
    listener.fails = "opened"
    with pytest.raises(ZeroDivisionError):
        await add(writer, 2)

    await add(writer, 3)
    assert numbers(path) == [3]
    assert listener.opened_times == 3


async def test_closing_waits_for_the_transaction_and_refuses_the_next_one(path: str) -> None:
    writer = SqliteWriter(path)
    transaction = await begun(writer, 1)
    waits = asyncio.create_task(writer.begin(is_synced=True))
    await until(lambda: writer.pool().waiting == 1)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)
    assert not closing.done()
    await transaction.commit()

    with pytest.raises(Unavailable):
        await waits
    await closing
    with pytest.raises(Unavailable):
        await writer.begin(is_synced=True)
    assert numbers(path) == [1]


async def test_closing_does_not_wait_for_ever(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.02)
    writer = SqliteWriter(path)
    abandoned = await begun(writer, 1)

    async with asyncio.timeout(5):
        await writer.close()

    assert numbers(path) == []
    del abandoned


async def test_a_commit_that_is_cancelled_and_fails_leaves_its_task_cancelled() -> None:
    started, go, thread = threading.Event(), threading.Event(), CommitThread()

    def fail() -> None:
        started.set()
        go.wait()
        raise sqlite3.OperationalError("disk I/O error")

    task = asyncio.create_task(thread.run(fail))
    await asyncio.to_thread(started.wait)
    task.cancel()
    await asyncio.sleep(0)
    go.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    thread.close()


def test_an_event_loop_that_ends_during_a_commit_does_not_end_the_thread() -> None:
    started, go, thread = threading.Event(), threading.Event(), CommitThread()

    def commit() -> None:
        started.set()
        go.wait()

    async def begin_commit() -> None:
        task = asyncio.create_task(thread.run(commit))
        await asyncio.to_thread(started.wait)
        abandoned.append(task)

    abandoned: list[asyncio.Task[None]] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # "Task was destroyed but it is pending"
    loop.run_until_complete(begin_commit())
    loop.close()
    go.set()

    done: list[int] = []

    async def commit_again() -> None:
        async with asyncio.timeout(5):
            await thread.run(lambda: done.append(1))

    asyncio.run(commit_again())
    thread.close()
    assert done == [1]
