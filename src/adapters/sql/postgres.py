"""PostgreSQL with asyncpg: one pool for single reads, one for transactions."""

from collections.abc import Sequence
from typing import Any

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.engine import Dialect

from adapters.sql.address import PostgresAddress
from adapters.sql.connection_pool import ConnectionPool, PooledConnection
from adapters.sql.limits import (
    ACQUIRE_TIMEOUT,
    COMMAND_TIMEOUT,
    CONNECT_TIMEOUT,
    SERVER_SETTINGS,
    PoolState,
)
from adapters.sql.statements import Compiled, Params, Prepared, Result
from adapters.sql.transactions import Transaction
from domain.shared import Unavailable

LIMIT_TRANSACTION = "SELECT " + ", ".join(
    f"set_config('{name}', '{value}', true)" for name, value in SERVER_SETTINGS.items() if "timeout" in name
)
"""The same limits for one transaction, for poolers that do not allow them for a connection."""
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"


def session(address: PostgresAddress, **more: str) -> dict[str, Any]:
    """The arguments of `asyncpg.connect` for the behaviour of a connection. Behind a pooler, the server's limits are set in
    each transaction instead, and nothing is prepared: the next statement may run on another connection, where the same name
    means another statement (with PgBouncer 1.18 a query returned the rows of another one)."""
    if address.pooled:
        return {"statement_cache_size": 0}  # then asyncpg uses unnamed statements
    return {"server_settings": SERVER_SETTINGS | more}


def _pool(name: str, address: PostgresAddress, connections: int, **settings: str) -> ConnectionPool:
    async def connect() -> PooledConnection:
        connection: PooledConnection = await asyncpg.connect(
            **address.arguments,
            **session(address, **settings),
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
        )
        return connection

    return ConnectionPool(name, connect, connections, ACQUIRE_TIMEOUT)


class PostgresReader:
    def __init__(self, address: PostgresAddress, dialect: Dialect, connections: int) -> None:
        self._address, self._dialect, self._connections = address, dialect, connections
        self._pool: ConnectionPool | None = None

    async def open(self) -> None:
        # Connections open with the first read: an unavailable database does not prevent the start.
        self._pool = _pool("read", self._address, self._connections, default_transaction_read_only="on")

    async def fetch(self, statement: Prepared, params: Params) -> list[Any]:
        if self._pool is None:
            raise Unavailable("the database is not open")
        return await self._pool.fetch(*statement.bound(self._dialect, params))

    async def fetch_slow(self, statement: Prepared, params: Params) -> list[Any]:
        return await self.fetch(statement, params)

    def pools(self) -> Sequence[PoolState]:
        return () if self._pool is None else (self._pool.state(),)

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None


class PostgresTransaction(Transaction):
    def __init__(self, dialect: Dialect, pool: ConnectionPool, connection: PooledConnection) -> None:
        super().__init__(dialect)
        self._pool, self._connection = pool, connection

    async def _run(self, form: Compiled, sql: str, values: Sequence[Any]) -> Result:
        if form.returns_rows:
            rows = await self._connection.fetch(sql, *values)
            return Result(form.records([*rows[0].keys()], rows) if rows else (), len(rows))
        status = await self._connection.execute(sql, *values)  # such as "UPDATE 1"
        count = status.rpartition(" ")[2]
        return Result((), int(count) if count.isdigit() else -1)

    async def _run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> Result:
        await self._connection.executemany(sql, rows)
        return Result((), -1)

    async def commit(self) -> None:
        status = ""
        try:
            status = await self._connection.execute("COMMIT")
        finally:
            self._end(is_usable=bool(status))
        if status != "COMMIT":  # PostgreSQL answers ROLLBACK if a statement of the transaction had failed
            raise Unavailable("the database has rolled the transaction back")

    async def rollback(self) -> None:
        done = False
        try:
            if not self._connection.is_closed():
                await self._connection.execute("ROLLBACK")
                done = True
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            pass  # terminated below, as after a cancellation
        finally:
            self._end(is_usable=done)

    def _end(self, *, is_usable: bool) -> None:
        if not is_usable:
            self._connection.terminate()
        self._pool.release(self._connection)


class PostgresWriter:
    dialect: Dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]

    def __init__(self, address: PostgresAddress, connections: int) -> None:
        self._pool = _pool("write", address, connections)
        self._begin = f"{_BEGIN}; {LIMIT_TRANSACTION}" if address.pooled else _BEGIN

    async def begin(self, *, is_synced: bool) -> PostgresTransaction:
        del is_synced  # the server decides
        connection = await self._pool.acquire()
        try:
            await connection.execute(self._begin)
        except BaseException:
            connection.terminate()
            self._pool.release(connection)
            raise
        return PostgresTransaction(self.dialect, self._pool, connection)

    def pool(self) -> PoolState:
        return self._pool.state()

    async def close(self) -> None:
        self._pool.close()
