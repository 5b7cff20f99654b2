"""One database, SQLite or PostgreSQL: transactions through SQLAlchemy, reads straight on the driver."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import asyncpg
import msgspec
from sqlalchemy import URL, Executable, literal, make_url, select
from sqlalchemy import exc as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adapters.sql import sqlite
from adapters.sql.lines import Line, Lines
from application.shared.ports import OpenTx
from domain.shared import Unavailable

T = TypeVar("T")
Row = Sequence[Any]

POOL_SIZE = 10
"""Connections per process and kind (transactions, reads)."""
ACQUIRE_TIMEOUT = 1.0
CONNECT_TIMEOUT = 2.0
COMMAND_TIMEOUT = 2.0
"""Seconds for one statement, from this side: an answer that never comes. The server's own limits follow."""
SERVER_SETTINGS = {
    "application_name": "waggle",
    "statement_timeout": "2s",
    "lock_timeout": "500ms",
    "idle_in_transaction_session_timeout": "10s",
    "jit": "off",  # the statements are small: planning code generation would cost more than it saves
}


class Prepared:
    """A Core statement that is compiled once per dialect and then run as text on the driver.

    Building and compiling a small select and wrapping its rows costs SQLAlchemy more than the query
    itself costs the database: measured per read, 90 µs against 8 on SQLite, 264 against 84 on
    PostgreSQL. What is lost with it is the conversion of results: rows hold what the driver gives.
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
    """Values that stand in the statement itself, which SQLAlchemy sends as parameters too."""


class _Reader(Protocol):
    async def fetch(self, statement: Prepared, params: dict[str, Any]) -> list[Row]: ...
    async def fetch_apart(self, statement: Prepared, params: dict[str, Any]) -> list[Row]: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(slots=True)
class _SqliteReader:
    path: str
    dialect: Dialect
    _connection: sqlite3.Connection | None = None
    _apart: sqlite.Apart | None = None

    async def open(self) -> None:
        self._connection = sqlite.reader(self.path)
        self._apart = sqlite.Apart(self.path, COMMAND_TIMEOUT)

    async def fetch(self, statement: Prepared, params: dict[str, Any]) -> list[Row]:
        if self._connection is None:
            raise Unavailable("the database is not open")
        sql, values = statement.bound(self.dialect, params)
        values = [_json(value) if type(value) is list else value for value in values]
        return self._connection.execute(sql, values).fetchall()

    async def fetch_apart(self, statement: Prepared, params: dict[str, Any]) -> list[Row]:
        if self._apart is None:
            raise Unavailable("the database is not open")
        sql, values = statement.bound(self.dialect, params)
        return await self._apart.fetch(
            sql, [_json(value) if type(value) is list else value for value in values]
        )

    async def close(self) -> None:
        if self._apart is not None:
            await self._apart.close()
            self._apart = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _json(values: list[Any]) -> str:
    return msgspec.json.encode(values).decode()


@dataclass(slots=True)
class _PostgresReader:
    url: URL
    dialect: Dialect
    _lines: Lines | None = None

    async def open(self) -> None:
        # Connecting waits for the first read: a database that is away does not stop the start.
        self._lines = Lines(self._connected, POOL_SIZE, ACQUIRE_TIMEOUT)

    async def _connected(self) -> Line:
        line: Line = await asyncpg.connect(
            self.url.set(drivername="postgresql").render_as_string(hide_password=False),
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings=SERVER_SETTINGS | {"default_transaction_read_only": "on"},
        )
        return line

    async def fetch(self, statement: Prepared, params: dict[str, Any]) -> list[Row]:
        if self._lines is None:
            raise Unavailable("the database is not open")
        return await self._lines.fetch(*statement.bound(self.dialect, params))

    async def fetch_apart(self, statement: Prepared, params: dict[str, Any]) -> list[Row]:
        return await self.fetch(statement, params)

    async def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None


_PING = Prepared(select(literal(1)))


@dataclass(slots=True)
class Database:
    """Open it before use, in the event loop that uses it."""

    url: URL
    engine: AsyncEngine
    committed: Callable[[], None] = lambda: None
    """Called after each commit of a use case in this process: there may be events to relay."""
    _reader: _Reader = field(init=False)

    def __post_init__(self) -> None:
        dialect = self.engine.dialect
        if self.is_sqlite:
            self._reader = _SqliteReader(str(self.url.database), dialect)
        else:
            self._reader = _PostgresReader(self.url, dialect)

    @classmethod
    def at(
        cls,
        url: str,
        committed: Callable[[], None] = lambda: None,
        command_timeout: float | None = COMMAND_TIMEOUT,
    ) -> "Database":
        """`sqlite:///path` or `postgresql://user:password@host:port/name`. Migrations may take long: they
        ask for no `command_timeout`."""
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return cls(parsed, sqlite.writer(str(parsed.database)), committed)
        engine = create_async_engine(
            parsed.set(drivername="postgresql+asyncpg"),
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=ACQUIRE_TIMEOUT,
            hide_parameters=True,  # an error that is logged must not tell hashes and private posts
            connect_args={
                "timeout": CONNECT_TIMEOUT,
                "command_timeout": command_timeout,
                "server_settings": SERVER_SETTINGS,
            },
        )
        return cls(parsed, engine, committed)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    async def open(self) -> None:
        await self._reader.open()

    async def close(self) -> None:
        await self._reader.close()
        await self.engine.dispose()

    async def fetch(self, statement: Prepared, **params: Any) -> list[Row]:
        """All rows of a read. A parameter that is a list of ids is bound as one value (see `among`)."""
        return await self._translating(self._reader.fetch(statement, params))

    async def fetch_apart(self, statement: Prepared, **params: Any) -> list[Row]:
        """As `fetch`, for a read that may take long: SQLite answers it in a thread, one at a time, and gives it up
        after COMMAND_TIMEOUT, as PostgreSQL does."""
        return await self._translating(self._reader.fetch_apart(statement, params))

    @staticmethod
    async def _translating(work: Awaitable[T]) -> T:
        try:
            return await work
        except Exception as error:
            if (translated := _translated(error)) is error:
                raise
            raise translated from error

    async def ping(self) -> None:
        """Raises Unavailable if the database does not answer."""
        await self.fetch(_PING)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self.engine.begin() as connection:
                yield connection
        except Exception as error:
            if (translated := _translated(error)) is error:
                raise
            raise translated from error

    def transactions(self, ports: Callable[[AsyncConnection], T]) -> OpenTx[T]:
        @asynccontextmanager
        async def open_tx() -> AsyncIterator[T]:
            async with self.begin() as connection:
                yield ports(connection)
            self.committed()

        return open_tx


_AWAY = (
    sa.TimeoutError,
    TimeoutError,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
)


def _translated(error: Exception) -> Exception:
    """Unavailable for what the database cannot do now; a mistake of ours stays what it is."""
    cause: object = error
    if isinstance(error, sa.DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        if error.connection_invalidated or _sqlite_away(error.orig):
            return Unavailable("the database does not answer")
    if isinstance(cause, _AWAY) or _sqlite_away(cause):
        return Unavailable("the database does not answer")
    return error


def _sqlite_away(error: object) -> bool:
    words = ("locked", "busy", "full", "disk i/o", "interrupted")
    return isinstance(error, sqlite3.OperationalError) and any(word in str(error).lower() for word in words)
