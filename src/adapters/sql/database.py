"""The database, SQLite or PostgreSQL: transactions and single reads."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import literal, make_url, select
from sqlalchemy.engine import Dialect

from adapters.sql.address import PostgresAddress
from adapters.sql.errors import translated
from adapters.sql.limits import PoolState
from adapters.sql.row_changes import RowChanges, RowTrigger
from adapters.sql.sqlite import SqliteWriter
from adapters.sql.sqlite_reads import SqliteReader
from adapters.sql.statements import Params, Prepared
from adapters.sql.transactions import Transaction, Writer
from application.shared.ports import OpenTx
from application.shared.readings import Readings, untracked_read

T = TypeVar("T")
Row = Sequence[Any]

CONNECTIONS = 16
"""Connections of a process, half of them for transactions, half for single reads. Five processes fit into the default of
100 connections of PostgreSQL."""


class _Reader(Protocol):
    async def fetch(self, statement: Prepared, params: Params) -> list[Row]: ...
    async def fetch_slow(self, statement: Prepared, params: Params) -> list[Row]: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...
    def pools(self) -> Sequence[PoolState]: ...


_PING = Prepared(select(literal(1)))


@dataclass(slots=True)
class Database:
    """Open it before use, in the event loop that uses it."""

    address: PostgresAddress | Path
    """Of the server, or of the file of SQLite."""
    _writer: Writer
    _reader: _Reader
    committed: Callable[[], None] = lambda: None
    """Called after each commit in this process that added an event to the outbox."""
    check_room: Callable[[], None] = lambda: None
    """Called before each transaction. Raises StorageFull if nothing can be written."""
    _row_changes: RowChanges | None = field(default=None, init=False)

    @classmethod
    def at(
        cls, url: str, committed: Callable[[], None] = lambda: None, connections: int = CONNECTIONS
    ) -> Self:
        """The database at `sqlite:///path`, or at a URL of `PostgresAddress`. Raises ValueError for an invalid URL."""
        if url.startswith("sqlite:"):
            path = str(make_url(url).database)
            file = SqliteWriter(path)
            return cls(Path(path), file, SqliteReader(path, file.dialect), committed)
        from adapters.sql.postgres import PostgresReader, PostgresWriter  # noqa: PLC0415 - the driver takes 5 MB

        address = PostgresAddress.of(url)
        writing = max(1, connections // 2)
        writer = PostgresWriter(address, writing)
        reader = PostgresReader(address, writer.dialect, max(1, connections - writing))
        return cls(address, writer, reader, committed)

    @property
    def dialect(self) -> Dialect:
        return self._writer.dialect

    @property
    def is_sqlite(self) -> bool:
        return isinstance(self.address, Path)

    @property
    def is_pooled(self) -> bool:
        """See `PostgresAddress.pooled`."""
        return isinstance(self.address, PostgresAddress) and self.address.pooled

    async def open(self) -> None:
        """Raises Unavailable if a file of SQLite cannot be opened, as on a full disk."""
        await self._translating(self._reader.open())

    async def report_changes(self, readings: Readings, triggers: Sequence[RowTrigger]) -> None:
        """From now on `readings` hears of every change of a row. Only for SQLite; the tables must exist."""
        if not isinstance(self._writer, SqliteWriter):
            raise TypeError("only SQLite reports changes of rows")
        self._row_changes = RowChanges(str(self.address), readings, triggers)
        await self._row_changes.attach(self._writer)

    async def close(self) -> None:
        if self._row_changes is not None:
            self._row_changes.close()
        await self._reader.close()
        await self._writer.close()

    async def fetch(self, statement: Prepared, **params: Any) -> list[Row]:
        """All rows of a read. A list of ids is bound as one parameter (see `among`)."""
        untracked_read()
        return await self._translating(self._reader.fetch(statement, params))

    async def fetch_slow(self, statement: Prepared, **params: Any) -> list[Row]:
        """As `fetch`, for a read that may be slow: SQLite runs it in a thread, one at a time, and cancels it after
        COMMAND_TIMEOUT, as PostgreSQL does."""
        untracked_read()
        return await self._translating(self._reader.fetch_slow(statement, params))

    @staticmethod
    async def _translating(work: Awaitable[T]) -> T:
        try:
            return await work
        except Exception as error:
            if (meant := translated(error)) is error:
                raise
            raise meant from error

    async def ping(self) -> None:
        """Raises Unavailable if the database does not answer."""
        await self.fetch(_PING)

    def pools(self) -> Sequence[PoolState]:
        """The connection pools of this process."""
        return (self._writer.pool(), *self._reader.pools())

    @asynccontextmanager
    async def begin(self, *, is_synced: bool = True) -> AsyncIterator[Transaction]:
        """A transaction. One that is not synced survives the death of this process; on SQLite it may be lost in a power
        cut, together with what was committed later without being synced, and costs a fraction. For what can be done
        again, since the outbox still has the event."""
        self.check_room()
        try:
            transaction = await self._writer.begin(is_synced=is_synced)
            try:
                yield transaction
            except BaseException:
                await transaction.rollback()
                raise
            await transaction.commit()
        except Exception as error:
            if (meant := translated(error)) is error:
                raise
            self.check_room()  # a full disk causes various errors
            raise meant from error

    def transactions(self, ports: Callable[[Transaction], T], *, is_synced: bool = True) -> OpenTx[T]:
        @asynccontextmanager
        async def open_tx() -> AsyncIterator[T]:
            async with self.begin(is_synced=is_synced) as transaction:
                yield ports(transaction)
            if transaction.has_events:
                self.committed()

        return open_tx
