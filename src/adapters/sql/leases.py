"""Leases of rows that several processes claim."""

from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.metadata import now_ms

_now = select(now_ms())


async def serialize(database: Database, connection: AsyncConnection, lock: int) -> None:
    """Let transactions that call this with the same `lock` run one after the other, so that each claim sees the leases of
    the ones before. SQLite has one writing transaction at a time anyway."""
    if not database.is_sqlite:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({lock})"))


async def end_of_lease(connection: AsyncConnection, lease: timedelta) -> int:
    """The end of a lease that begins now, in milliseconds by the clock of the database. It identifies the lease."""
    now: int = (await connection.execute(_now)).scalar_one()
    return now + lease // timedelta(milliseconds=1)
