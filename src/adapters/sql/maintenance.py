"""Deletes expired rows in small batches, so that no request waits for it. Each module names its own."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from adapters.sql.database import Database
from adapters.sql.idempotency import idempotency_keys
from adapters.sql.metadata import now_ms
from adapters.sql.outbox import inbox

BATCH = 500
"""Rows that one transaction deletes."""
PAUSE_SECONDS = 0.05
"""Between two transactions."""
IDEMPOTENCY_KEYS = timedelta(hours=24)
"""The time for which a request can be retried with its idempotency key."""
HANDLED_EVENTS = timedelta(days=30)
"""The time for which an event is recorded as handled, which bounds how late a dead letter may be replayed."""


def ms_before_now(age: timedelta) -> ColumnElement[int]:
    """In milliseconds since 1970."""
    return now_ms() - age // timedelta(milliseconds=1)


def id_before_now(age: timedelta) -> ColumnElement[int]:
    """The smallest id of that time: ids contain their time."""
    return ms_before_now(age) * 65536


@dataclass(frozen=True, slots=True)
class SqlPurge:
    """Deletes the rows for which the condition of their table holds. Implements `PurgeExpired`."""

    database: Database
    expired: Mapping[Table, ColumnElement[bool]]

    async def __call__(self) -> int:
        return sum([await self._delete(table, condition) for table, condition in self.expired.items()])

    async def _delete(self, table: Table, expired: ColumnElement[bool]) -> int:
        key = tuple_(*table.primary_key)
        statement = delete(table).where(key.in_(select(*table.primary_key).where(expired).limit(BATCH)))
        total = 0
        while True:
            async with self.database.begin() as transaction:
                deleted = (await transaction.execute(statement)).rowcount
            total += deleted
            if deleted < BATCH:
                return total
            await asyncio.sleep(PAUSE_SECONDS)


def purge_shared(database: Database) -> SqlPurge:
    """For the tables that belong to no module."""
    return SqlPurge(
        database,
        {
            idempotency_keys: idempotency_keys.c.claimed_at < ms_before_now(IDEMPOTENCY_KEYS),
            inbox: inbox.c.event_id < id_before_now(HANDLED_EVENTS),
        },
    )
