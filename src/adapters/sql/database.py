"""The database, SQLite or PostgreSQL: transactions with SQLAlchemy, reads directly on the driver."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import asyncpg
import msgspec
from sqlalchemy import URL, Connection, Executable, event, literal, make_url, select
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.sql import sqlite
from adapters.sql.address import PostgresAddress
from adapters.sql.connection_pool import ConnectionPool, PooledConnection, PoolState
from adapters.sql.errors import translated
from adapters.sql.row_changes import RowChanges, RowTrigger
from application.shared.ports import OpenTx
from application.shared.readings import Readings, untracked_read
from domain.shared import Unavailable

T = TypeVar("T")
Row = Sequence[Any]

CONNECTIONS = 16
"""Connections of a process, half of them for transactions, half for single reads. Five processes fit into the default of
100 connections of PostgreSQL."""
ACQUIRE_TIMEOUT = 1.0
CONNECT_TIMEOUT = 2.0
COMMAND_TIMEOUT = 2.0
"""Seconds for one statement, enforced by this side in case an answer never arrives. The server has limits of its own."""
SERVER_SETTINGS = {
    "application_name": "waggle",
    "statement_timeout": "2s",
    "lock_timeout": "500ms",
    "idle_in_transaction_session_timeout": "10s",
    "jit": "off",  # the statements are small: compiling them would cost more than it saves
}
LIMIT_TRANSACTION = "SELECT " + ", ".join(
    f"set_config('{name}', '{value}', true)" for name, value in SERVER_SETTINGS.items() if "timeout" in name
)
"""The same limits for one transaction, for poolers that do not allow them for a connection."""
POOLED = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
"""The options by which SQLAlchemy prepares nothing: no cache, and the empty name."""


def _session(address: PostgresAddress, **more: str) -> dict[str, Any]:
    """The arguments of `asyncpg.connect` for the behaviour of a connection. Behind a pooler, the server's limits are set in
    each transaction instead, and nothing is prepared: the next statement may run on another connection, where the same name
    means another statement (with PgBouncer 1.18 a query returned the rows of another one)."""
    if address.pooled:
        return {"statement_cache_size": 0}  # then asyncpg uses unnamed statements
    return {"server_settings": SERVER_SETTINGS | more}


def _limit_transaction(connection: Connection) -> None:
    connection.exec_driver_sql(LIMIT_TRANSACTION)


HAS_EVENTS = "has events"
"""In `info` of a connection: its transaction has added an event to the outbox."""


class Prepared:
    """A Core statement that is compiled once per dialect and then executed as text on the driver.

    Building and compiling a small select and wrapping its rows costs SQLAlchemy more than the query itself costs the
    database: measured per read, 90 µs instead of 8 µs on SQLite, and 264 µs instead of 84 µs on PostgreSQL. In return
    results are not converted: rows contain the values of the driver.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement: Any = statement
        self._texts: dict[str, _Text] = {}

    def bound(self, dialect: Dialect, params: dict[str, Any]) -> tuple[str, list[Any]]:
        """The SQL, and the values of its parameters in order."""
        if (found := self._texts.get(dialect.name)) is None:
            compiled = self._statement.compile(dialect=dialect)
            constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
            found = _Text(str(compiled), tuple(compiled.positiontup or ()), constants)
            self._texts[dialect.name] = found
        if found.constants:
            params = found.constants | params
        return found.sql, [params[name] for name in found.names]


@dataclass(frozen=True, slots=True)
class _Text:
    sql: str
    names: tuple[str, ...]
    constants: dict[str, Any]
    """Literal values in the statement, which SQLAlchemy sends as parameters too."""


class _Reader(Protocol):
    async def fetch(self, statement: Prepared, params: dict[str, Any]) -> list[Row]: ...
    async def fetch_slow(self, statement: Prepared, params: dict[str, Any]) -> list[Row]: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...
    def pools(self) -> Sequence[PoolState]: ...


@dataclass(slots=True)
class _SqliteReader:
    path: str
    dialect: Dialect
    _connection: sqlite3.Connection | None = None
    _read_thread: sqlite.ReadThread | None = None

    async def open(self) -> None:
        self._connection = sqlite.reader(self.path)
        self._read_thread = sqlite.ReadThread(self.path, COMMAND_TIMEOUT)

    async def fetch(self, statement: Prepared, params: dict[str, Any]) -> list[Row]:
        if self._connection is None:
            raise Unavailable("the database is not open")
        sql, values = statement.bound(self.dialect, params)
        values = [_json(value) if type(value) is list else value for value in values]
        return self._connection.execute(sql, values).fetchall()

    async def fetch_slow(self, statement: Prepared, params: dict[str, Any]) -> list[Row]:
        if self._read_thread is None:
            raise Unavailable("the database is not open")
        sql, values = statement.bound(self.dialect, params)
        return await self._read_thread.fetch(
            sql, [_json(value) if type(value) is list else value for value in values]
        )

    def pools(self) -> Sequence[PoolState]:
        return ()  # one connection, whose reads wait for nothing

    async def close(self) -> None:
        if self._read_thread is not None:
            await self._read_thread.close()
            self._read_thread = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _json(values: list[Any]) -> str:
    return msgspec.json.encode(values).decode()


@dataclass(slots=True)
class _PostgresReader:
    address: PostgresAddress
    dialect: Dialect
    connections: int
    _pool: ConnectionPool | None = None

    async def open(self) -> None:
        # Connections open with the first read: an unavailable database does not prevent the start.
        self._pool = ConnectionPool(self._connect, self.connections, ACQUIRE_TIMEOUT)

    async def _connect(self) -> PooledConnection:
        connection: PooledConnection = await asyncpg.connect(
            **self.address.arguments,
            **_session(self.address, default_transaction_read_only="on"),
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
        )
        return connection

    async def fetch(self, statement: Prepared, params: dict[str, Any]) -> list[Row]:
        if self._pool is None:
            raise Unavailable("the database is not open")
        return await self._pool.fetch(*statement.bound(self.dialect, params))

    async def fetch_slow(self, statement: Prepared, params: dict[str, Any]) -> list[Row]:
        return await self.fetch(statement, params)

    def pools(self) -> Sequence[PoolState]:
        return () if self._pool is None else (self._pool.state(),)

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None


_PING = Prepared(select(literal(1)))


@dataclass(slots=True)
class Database:
    """Open it before use, in the event loop that uses it."""

    url: URL
    engine: AsyncEngine
    _reader: _Reader
    committed: Callable[[], None] = lambda: None
    """Called after each commit in this process that added an event to the outbox."""
    is_pooled: bool = False
    """See `PostgresAddress.pooled`."""
    check_room: Callable[[], None] = lambda: None
    """Called before each transaction. Raises StorageFull if nothing can be written."""
    _unsynced: AsyncEngine = field(init=False)
    _transactions: int = field(default=0, init=False)
    """Transactions that are open or wait for a connection."""
    _row_changes: RowChanges | None = field(default=None, init=False)

    @classmethod
    def at(
        cls,
        url: str,
        committed: Callable[[], None] = lambda: None,
        command_timeout: float | None = COMMAND_TIMEOUT,
        connections: int = CONNECTIONS,
    ) -> Self:
        """The database at `sqlite:///path`, or at a URL of `PostgresAddress`. Migrations may take long: they pass None as
        `command_timeout`. Raises ValueError for an invalid URL."""
        if url.startswith("sqlite:"):
            parsed = make_url(url)
            path = str(parsed.database)
            engine = sqlite.writer(path)
            return cls(parsed, engine, _SqliteReader(path, engine.dialect), committed)
        address = PostgresAddress.of(url)
        writing = max(1, connections // 2)
        engine = create_async_engine(
            address.url,
            pool_size=writing,
            max_overflow=0,
            pool_timeout=ACQUIRE_TIMEOUT,
            hide_parameters=True,  # logged errors must not contain hashes and private posts
            connect_args={
                **address.arguments,
                **_session(address),
                **(POOLED if address.pooled else {}),
                "timeout": CONNECT_TIMEOUT,
                "command_timeout": command_timeout,
            },
        )
        if address.pooled:
            event.listen(engine.sync_engine, "begin", _limit_transaction)
        reader = _PostgresReader(address, engine.dialect, max(1, connections - writing))
        return cls(address.url, engine, reader, committed, address.pooled)

    def __post_init__(self) -> None:
        self._unsynced = self.engine.execution_options(**sqlite.UNSYNCED)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    async def open(self) -> None:
        """Raises Unavailable if a file of SQLite cannot be opened, as on a full disk."""
        await self._translating(self._reader.open())

    async def report_changes(self, readings: Readings, triggers: Sequence[RowTrigger]) -> None:
        """From now on `readings` hears of every change of a row. Only for SQLite; the tables must exist."""
        self._row_changes = RowChanges(self.engine, readings, triggers)
        await self._row_changes.attach()

    async def close(self) -> None:
        if self._row_changes is not None:
            self._row_changes.close()
        await self._reader.close()
        await self.engine.dispose()

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
        pool: Any = self.engine.pool
        in_use = pool.checkedout()
        return (
            PoolState("write", pool.size(), in_use, max(0, self._transactions - in_use)),
            *self._reader.pools(),
        )

    @asynccontextmanager
    async def begin(self, *, is_synced: bool = True) -> AsyncIterator[AsyncConnection]:
        """A transaction. One that is not synced survives the death of this process; on SQLite it may be lost in a power
        cut, together with what was committed later without being synced, and costs a fraction. For what can be done
        again, since the outbox still has the event."""
        self.check_room()
        engine = self.engine if is_synced or not self.is_sqlite else self._unsynced
        self._transactions += 1
        try:
            async with engine.begin() as connection:
                yield connection
        except Exception as error:
            if (meant := translated(error)) is error:
                raise
            self.check_room()  # a full disk causes various errors
            raise meant from error
        finally:
            self._transactions -= 1

    def transactions(self, ports: Callable[[AsyncConnection], T], *, is_synced: bool = True) -> OpenTx[T]:
        @asynccontextmanager
        async def open_tx() -> AsyncIterator[T]:
            async with self.begin(is_synced=is_synced) as connection:
                connection.info.pop(HAS_EVENTS, None)  # of a transaction that was rolled back
                yield ports(connection)
                has_events = connection.info.pop(HAS_EVENTS, False)
            if has_events:
                self.committed()

        return open_tx
