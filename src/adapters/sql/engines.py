"""SQLAlchemy's own connections, which migrations need. Nothing else runs on them."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from adapters.sql.address import PostgresAddress
from adapters.sql.database import Database
from adapters.sql.errors import translated
from adapters.sql.limits import CONNECT_TIMEOUT
from adapters.sql.postgres import LIMIT_TRANSACTION, session
from adapters.sql.sqlite import prepare

T = TypeVar("T")

_UNPREPARED = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
"""The options by which SQLAlchemy prepares nothing: no cache, and the empty name."""


async def run_in_transaction(database: Database, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction, which may take long: in a thread on SQLite. Raises as `Database.begin`."""
    database.check_room()
    try:
        if isinstance(database.address, Path):
            return await asyncio.to_thread(_on_sqlite, database.address, work)
        return await _on_postgres(database.address, work)
    except Exception as error:
        if (meant := translated(error)) is error:
            raise
        database.check_room()  # a full disk causes various errors
        raise meant from error


def _on_sqlite(path: Path, work: Callable[[Connection], T]) -> T:
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: object) -> None:
        prepare(connection)

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        return work(connection)


async def _on_postgres(address: PostgresAddress, work: Callable[[Connection], T]) -> T:
    arguments: dict[str, Any] = {**address.arguments, **session(address), "timeout": CONNECT_TIMEOUT}
    if address.pooled:
        arguments |= _UNPREPARED
    engine = create_async_engine(
        address.url, poolclass=NullPool, hide_parameters=True, connect_args=arguments
    )
    async with engine.begin() as connection:
        if address.pooled:
            await connection.exec_driver_sql(LIMIT_TRANSACTION)
        return await connection.run_sync(work)
