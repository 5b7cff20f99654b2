"""Transactions end in every case, and leave their connection usable."""

import asyncio
import sqlite3
from collections.abc import Callable

import pytest
from sqlalchemy import func, insert, select, text

from adapters.sql import sqlite
from adapters.sql.commit_thread import CommitThread
from adapters.sql.database import CONNECTIONS, Database
from adapters.sql.outbox import inbox
from domain.shared import Unavailable
from tests.port_contracts.process_numbers import db
from tests.port_contracts.stores import Stores


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest) -> Stores:
    some = request.getfixturevalue(f"{request.param}_stores")
    assert isinstance(some, Stores)
    return some


_mark, _marks = insert(inbox), select(func.count()).select_from(inbox)


def mark(event_id: int) -> dict[str, object]:
    return {"event_id": event_id, "subscriber": "test"}


async def marks(database: Database) -> int:
    async with database.begin() as transaction:
        return int((await transaction.execute(_marks)).scalar_one())


async def test_an_error_rolls_back(stores: Stores) -> None:
    async def fail() -> None:
        async with db(stores).begin() as transaction:
            await transaction.execute(_mark, mark(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await marks(db(stores)) == 0


async def test_a_list_of_rows_is_written_and_an_empty_one_changes_nothing(stores: Stores) -> None:
    async with db(stores).begin() as transaction:
        await transaction.execute(_mark, [mark(1), mark(2)])
        await transaction.execute(_mark, [])

    assert await marks(db(stores)) == 2


async def test_cancelled_transactions_change_nothing_and_free_their_connections(stores: Stores) -> None:
    async def hold(number: int) -> None:
        async with db(stores).begin() as transaction:
            await transaction.execute(_mark, mark(number))
            begun.set()
            await asyncio.Event().wait()

    for number in range(CONNECTIONS):
        begun = asyncio.Event()
        task = asyncio.create_task(hold(number))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await marks(db(stores)) == 0
    assert [pool.in_use for pool in db(stores).pools() if pool.name == "write"] == [0]


@pytest.mark.parametrize("stores", ["postgres"], indirect=True)
async def test_a_statement_that_is_cancelled_leaves_nothing_running(stores: Stores) -> None:
    async def sleep() -> None:
        async with db(stores).begin() as transaction:
            started.set()
            await transaction.execute(text("SELECT pg_sleep(1.5)"))

    started = asyncio.Event()
    task = asyncio.create_task(sleep())
    await started.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    running = text(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(%' AND state = 'active' AND pid <> pg_backend_pid()"
    )
    async with db(stores).begin() as transaction:
        assert (await transaction.execute(running)).scalar_one() == 0


@pytest.mark.parametrize("stores", ["postgres"], indirect=True)
async def test_a_transaction_whose_error_was_swallowed_is_not_reported_as_committed(stores: Stores) -> None:
    async def swallow() -> None:
        async with db(stores).begin() as transaction:
            await transaction.execute(_mark, mark(1))
            with pytest.raises(Exception, match="syntax"):
                await transaction.execute(text("SELEC 1"))

    with pytest.raises(Unavailable):
        await swallow()

    assert await marks(db(stores)) == 0


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
class TestOneWriter:
    async def test_a_cancelled_commit_is_completed(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        committing, original = asyncio.Event(), CommitThread.run

        async def run(thread: CommitThread, commit: Callable[[], None]) -> None:
            asyncio.get_running_loop().call_soon(committing.set)
            await original(thread, commit)

        monkeypatch.setattr(CommitThread, "run", run)

        async def write() -> None:
            async with db(stores).begin() as transaction:
                await transaction.execute(_mark, mark(1))

        task = asyncio.create_task(write())
        await committing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await marks(db(stores)) == 1

    async def test_a_transaction_that_waits_too_long_is_refused(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.02)
        async with db(stores).begin():
            with pytest.raises(Unavailable):
                await marks(db(stores))

        assert await marks(db(stores)) == 0

    async def test_a_failed_commit_is_rolled_back_and_the_next_one_succeeds(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def fail(thread: CommitThread, _commit: Callable[[], None]) -> None:
            def refuse() -> None:
                raise sqlite3.OperationalError("disk I/O error")

            await original(thread, refuse)

        original = CommitThread.run

        with monkeypatch.context() as patch:
            patch.setattr(CommitThread, "run", fail)
            with pytest.raises(Unavailable):
                async with db(stores).begin() as transaction:
                    await transaction.execute(_mark, mark(1))

        async with db(stores).begin() as transaction:
            await transaction.execute(_mark, mark(2))
        assert await marks(db(stores)) == 1

    async def test_a_late_transaction_waits_no_longer_than_the_others(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It comes when the lock is free, but already promised to another one."""

        async def hold() -> None:
            async with db(stores).begin():
                await over.wait()

        over = asyncio.Event()
        async with db(stores).begin():
            first = asyncio.create_task(hold())
            await asyncio.sleep(0)  # it waits
            monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.02)
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable):
                await marks(db(stores))
        over.set()
        await first
