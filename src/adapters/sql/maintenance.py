"""Deletes expired rows in small batches, so that no request waits for it."""

import asyncio
from datetime import timedelta

from sqlalchemy import ColumnElement, Table, delete, select, tuple_

from adapters.sql.database import Database
from adapters.sql.feeds.tables import engagement_signals, hashtag_signals
from adapters.sql.graph.tables import mutes
from adapters.sql.idempotency import idempotency_keys
from adapters.sql.identity.tables import pending_registrations, resting_names, sessions
from adapters.sql.metadata import now_ms
from adapters.sql.notifications.tables import tickets
from adapters.sql.outbox import inbox
from adapters.sql.posts.merging import merge_words
from adapters.sql.posts.tables import restricted_authors
from application.feeds.trending_formula import WINDOW_MS
from domain.identity import SESSION_LIFE

BATCH = 500
"""Rows that one transaction deletes."""
IDEMPOTENCY_KEYS = timedelta(hours=24)
"""How long a request can be retried with its idempotency key."""
HANDLED_EVENTS = timedelta(days=30)
"""How long an event is recorded as handled, which bounds how late a dead letter may be replayed."""
DELETED_ACCOUNTS = timedelta(days=1)
"""How long a deletion is recorded: longer than any request for the account can still be running."""
SIGNALS = timedelta(milliseconds=WINDOW_MS)
SESSIONS = SESSION_LIFE + timedelta(days=1)


async def purge_expired(database: Database) -> int:
    """Returns how many rows were deleted."""
    if database.is_sqlite:
        await _merge(database)
    return (
        await _delete(database, idempotency_keys, idempotency_keys.c.claimed_at < _before(IDEMPOTENCY_KEYS))
        + await _delete(
            database, inbox, inbox.c.event_id < _before(HANDLED_EVENTS) * 65536
        )  # ids contain their time
        + await _delete(database, resting_names, resting_names.c.until < now_ms())
        + await _delete(database, pending_registrations, pending_registrations.c.expires_at < now_ms())
        + await _delete(
            database, restricted_authors, restricted_authors.c.gone_at < _before(DELETED_ACCOUNTS)
        )
        + await _delete(database, sessions, sessions.c.id < _before(SESSIONS) * 65536)
        + await _delete(database, mutes, mutes.c.until < now_ms())
        + await _delete(database, engagement_signals, engagement_signals.c.at < _before(SIGNALS))
        + await _delete(database, hashtag_signals, hashtag_signals.c.at < _before(SIGNALS))
        + await _delete(database, tickets, tickets.c.expires_at < now_ms())
    )


async def _merge(database: Database) -> None:
    more = True
    while more:
        async with database.begin() as connection:
            more = await merge_words(connection)
        await asyncio.sleep(0.05)


def _before(age: timedelta) -> ColumnElement[int]:
    return now_ms() - age // timedelta(milliseconds=1)


async def _delete(database: Database, table: Table, expired: ColumnElement[bool]) -> int:
    key = tuple_(*table.primary_key)
    statement = delete(table).where(key.in_(select(*table.primary_key).where(expired).limit(BATCH)))
    total = 0
    while True:
        async with database.begin() as connection:
            deleted = (await connection.execute(statement)).rowcount
        total += deleted
        if deleted < BATCH:
            return total
        await asyncio.sleep(0.05)
