"""What one process learns of the changes of others, through the log of changes on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from adapters.sql import change_log
from adapters.sql.change_log import ChangeLog, xmin_of
from adapters.sql.change_trimming import ChangeTrimming
from adapters.sql.database import Database
from application.shared.readings import Key, Reading, Readings, also_of
from tests.integration.servers import Server, fresh_database
from tests.port_contracts.stores import migrated

POST, OTHER = ("post", 1), ("post", 2)


@pytest.fixture(scope="module")
def url(postgres_server: Server) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        yield asyncio.run(migrated(url))


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database.at(url)
    await database.open()
    async with database.begin() as transaction:
        await transaction.execute(text("DELETE FROM row_changes"))
        await transaction.execute(text("DELETE FROM row_change_log"))
    yield database
    await database.close()


class Heard(Readings):
    """Readings that remember what they were told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Key | str] = []

    def touch(self, key: Key) -> None:
        self.heard.append(key)
        super().touch(key)

    def forget_all(self) -> None:
        self.heard.append("all")
        super().forget_all()


@asynccontextmanager
async def following(database: Database) -> AsyncIterator[Heard]:
    """A process that has asked once."""
    readings = Heard()
    log = ChangeLog(database, readings)
    await log.open()
    assert await log.catch_up()
    readings.heard.clear()
    yield readings
    await log.close()


async def heard(readings: Heard) -> list[Key | str]:
    assert readings.catch_up is not None
    assert await readings.catch_up()
    found, readings.heard = readings.heard, []
    return sorted(found, key=str)


def kept(readings: Readings, key: Key) -> Reading:
    with readings.reading() as reading:
        also_of([key])
    assert reading is not None
    assert readings.keep(reading)
    return reading


_change = text(
    r"INSERT INTO row_changes (key) VALUES (json_build_array('post', CAST(:post AS bigint))\:\:text)"
)


async def change(database: Database, post: int) -> None:
    async with database.begin() as transaction:
        await transaction.execute(_change, {"post": post})


async def test_each_change_is_reported_once(database: Database) -> None:
    async with following(database) as one, following(database) as other:
        assert await heard(one) == []
        await change(database, 1)
        await change(database, 2)
        assert await heard(one) == [POST, OTHER]
        assert await heard(one) == []
        assert await heard(other) == [POST, OTHER]


async def test_transactions_are_reported_when_they_commit_whatever_their_numbers(database: Database) -> None:
    async with following(database) as readings:
        async with database.begin() as early:
            await early.execute(_change, {"post": 1})
            await change(database, 2)
            assert await heard(readings) == [OTHER]
            assert await heard(readings) == []
        assert await heard(readings) == [POST]
        assert await heard(readings) == []


async def test_what_is_rolled_back_is_not_reported(database: Database) -> None:
    async with following(database) as readings:
        async with database.begin() as transaction:
            await transaction.execute(text("SAVEPOINT before"))
            await transaction.execute(_change, {"post": 1})
            await transaction.execute(text("ROLLBACK TO before"))
        await change(database, 2)
        assert await heard(readings) == [OTHER]


async def test_a_change_that_commits_while_a_response_is_read_keeps_it_from_being_kept_or_outdates_it(
    database: Database,
) -> None:
    async with following(database) as readings:
        with readings.reading() as reported_meanwhile:
            also_of([POST])
            await change(database, 1)
            assert await heard(readings) == [POST]
        assert reported_meanwhile is not None
        assert not readings.keep(reported_meanwhile)

        with readings.reading() as reported_later:
            also_of([POST])
            await change(database, 1)
        assert reported_later is not None
        assert readings.keep(reported_later)
        assert await heard(readings) == [POST]
        assert readings.why_outdated(reported_later) == "rows"


async def test_requests_share_a_statement_that_is_sent_after_they_arrive(database: Database) -> None:
    async with following(database) as readings:
        fetch, sent = Counting(readings), 0
        assert readings.catch_up is not None
        first = [asyncio.create_task(_catch_up(readings)) for _ in range(20)]
        await fetch.begun.wait()
        sent = fetch.count
        later = [asyncio.create_task(_catch_up(readings)) for _ in range(20)]
        assert all(await asyncio.gather(*first, *later))
        assert (sent, fetch.count) == (1, 2)


async def test_a_cancelled_request_takes_no_other_with_it(database: Database) -> None:
    async with following(database) as readings:
        one, other = (asyncio.create_task(_catch_up(readings)) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        assert await other is True
        assert await _catch_up(readings) is True


async def test_a_failure_is_unsure_and_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(database) as readings:
        reading = kept(readings, POST)
        log = _log(readings)
        fetch = log._reader.fetch

        async def fail(*_: object) -> list[object]:
            raise OSError

        monkeypatch.setattr(log._reader, "fetch", fail)
        assert not await log.catch_up()
        monkeypatch.setattr(log._reader, "fetch", fetch)
        await change(database, 1)
        assert not await log.catch_up()  # nobody waits for a while
        log._paused_until = 0.0
        assert await heard(readings) == [POST]
        assert readings.why_outdated(reading) == "rows"


async def test_a_statement_that_takes_too_long_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "DEADLINE", 0.05)
    async with database.begin() as transaction, following_later(database) as log:
        await transaction.execute(text("LOCK TABLE row_change_log IN ACCESS EXCLUSIVE MODE"))
        assert not await log.catch_up()


async def test_many_changes_at_once_make_it_forget_everything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "MAX_CHANGES", 3)
    async with following(database) as readings:
        for post in range(3):
            await change(database, post)
        assert "all" not in await heard(readings)
        for post in range(4):
            await change(database, post)
        assert await heard(readings) == ["all"]


# Where the order is unknown


async def test_a_log_that_was_emptied_begins_anew(database: Database) -> None:
    """As after a crash of the server, which empties unlogged tables."""
    async with following(database) as readings, following(database) as other:
        async with database.begin() as transaction:
            await transaction.execute(text("DELETE FROM row_changes"))
            await transaction.execute(text("DELETE FROM row_change_log"))
        assert set(await heard(readings)) == {"all"}
        assert await heard(readings) == []
        await change(database, 1)
        assert await heard(readings) == [POST]
        assert await heard(other) == ["all"]


@pytest.mark.parametrize("origin", ["1/1", "another server"])
async def test_a_log_of_another_server_is_emptied(database: Database, origin: str) -> None:
    """As after a dump and a restore, with the numbers of transactions that are yet to come here."""
    async with following(database) as readings:
        async with database.begin() as transaction:
            await transaction.execute(
                text("UPDATE row_change_log SET origin = CAST(:origin AS text), trimmed = '9000000000'"),
                {"origin": origin},
            )
            await transaction.execute(
                text("""INSERT INTO row_changes (xid, key) VALUES ('8000000000', '["post", 5]')""")
            )
        assert set(await heard(readings)) == {"all"}
        assert await heard(readings) == []
        assert await rows(database) == 0


# Trimming


async def rows(database: Database) -> int:
    async with database.begin() as transaction:
        return int((await transaction.execute(text("SELECT count(*) FROM row_changes"))).scalar_one())


async def test_what_a_process_has_seen_is_removed_without_consequence(database: Database) -> None:
    trimming = ChangeTrimming(database)
    async with following(database) as readings:
        await change(database, 1)
        old = await trimming.snapshot()
        assert await heard(readings) == [POST]
        await change(database, 2)
        await trimming.trim(old, xmin_of(old))
        assert await rows(database) == 1
        assert await heard(readings) == [OTHER]


async def test_a_process_that_has_not_seen_what_is_removed_forgets_everything(database: Database) -> None:
    trimming = ChangeTrimming(database)
    async with following(database) as readings:
        await change(database, 1)
        old = await trimming.snapshot()
        await trimming.trim(old, xmin_of(old))
        assert await rows(database) == 0
        assert await heard(readings) == ["all"]
        await change(database, 2)
        assert await heard(readings) == [OTHER]


async def test_too_many_rows_are_removed_though_a_transaction_runs_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.sql.change_trimming.MAX_ROWS", 3)
    monkeypatch.setattr("adapters.sql.change_trimming.BATCH", 2)
    trimming = ChangeTrimming(database)
    async with following(database) as readings:
        async with database.begin() as long:
            await long.execute(_change, {"post": 1})
            for _ in range(5):
                await change(database, 2)
            assert OTHER in await heard(readings)
            now = await trimming.snapshot()
            await trimming.trim(now, xmin_of(now))
            assert await rows(database) == 5
            await trimming.bound(now)
            assert await rows(database) == 0
            assert await heard(readings) == ["all"]
            await change(database, 2)
            assert await heard(readings) == [OTHER]
            again = await trimming.snapshot()
            await trimming.trim(again, xmin_of(again))  # announced already: it removes nothing
            assert await rows(database) == 1
        await trimming.trim(again, again.split(":")[1])
        assert await heard(readings) == ["all"]


async def test_without_a_log_everything_old_is_removed(database: Database) -> None:
    trimming = ChangeTrimming(database)
    await change(database, 1)
    old = await trimming.snapshot()
    await change(database, 2)
    await trimming.trim(old, xmin_of(old))
    assert await rows(database) == 1


# Helpers


async def _catch_up(readings: Readings) -> bool:
    assert readings.catch_up is not None
    return await readings.catch_up()


def _log(readings: Readings) -> ChangeLog:
    log = getattr(readings.catch_up, "__self__", None)
    assert isinstance(log, ChangeLog)
    return log


@asynccontextmanager
async def following_later(database: Database) -> AsyncIterator[ChangeLog]:
    log = ChangeLog(database, Readings())
    await log.open()
    yield log
    await log.close()


class Counting:
    """Counts the statements of a log."""

    def __init__(self, readings: Readings) -> None:
        self.count, self.begun = 0, asyncio.Event()
        reader = _log(readings)._reader
        fetch = reader.fetch

        async def counted(*arguments: object) -> list[object]:
            self.count += 1
            self.begun.set()
            return await fetch(*arguments)  # type: ignore[arg-type]

        reader.fetch = counted  # type: ignore[method-assign, assignment]
