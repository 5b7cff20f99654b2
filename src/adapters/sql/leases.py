"""Leases of rows that several processes claim."""

from datetime import timedelta

from sqlalchemy import select, text

from adapters.sql.database import Database
from adapters.sql.metadata import now_ms
from adapters.sql.transactions import Transaction

_now = select(now_ms())


async def serialize(database: Database, transaction: Transaction, lock: int) -> None:
    """Let transactions that call this with the same `lock` run one after the other, so that each claim sees the leases of
    the ones before. SQLite has one writing transaction at a time anyway."""
    if not database.is_sqlite:
        await transaction.execute(text(f"SELECT pg_advisory_xact_lock({lock})"))


async def end_of_lease(transaction: Transaction, lease: timedelta) -> int:
    """The end of a lease that begins now, in milliseconds by the clock of the database. It identifies the lease."""
    now: int = (await transaction.execute(_now)).scalar_one()
    return now + lease // timedelta(milliseconds=1)
