"""The tables of notifications."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table, Text

from adapters.sql.metadata import Id, Instant, metadata
from adapters.trace_context import TRACEPARENT_LENGTH

streams = Table(
    "streams",
    metadata,
    Column("user_id", Id, primary_key=True, autoincrement=False),
    Column("epoch", String(16), nullable=False),
    Column("floor", Id, nullable=False),
    Column("head", Id, nullable=False),
    Column("read_to", Id, nullable=False),
    Column("unread", Text, nullable=False),  # JSON: counts by kind
    CheckConstraint("floor <= head + 1 AND read_to <= head", name="order"),
    sqlite_with_rowid=False,
)
"""Lock the row of a stream to change the stream. Lock several in the order of their user ids."""

entries = Table(
    "stream_entries",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("seq", Id, primary_key=True),
    Column("id", Id, nullable=False),
    Column("type", String(20), nullable=False),
    Column("actor_id", Id),
    Column("post_id", Id),
    Column("refs", Text),  # JSON: a list of numbers
    Column("removed", Boolean, nullable=False),
    # A hash: the key may name the account that acted, and it outlives the other data of the entry.
    Column("dedupe_key", LargeBinary(16)),
    Column("traceparent", String(TRACEPARENT_LENGTH)),
    sqlite_with_rowid=False,
)
Index(
    "uq_stream_entries_dedupe_key",
    entries.c.user_id,
    entries.c.dedupe_key,
    unique=True,
    sqlite_where=entries.c.dedupe_key.is_not(None),
    postgresql_where=entries.c.dedupe_key.is_not(None),
)
for _column in (entries.c.post_id, entries.c.actor_id):
    Index(
        f"ix_stream_entries_{_column.name}",
        _column,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )
Index("ix_stream_entries_id", entries.c.id, entries.c.user_id, entries.c.seq)
"""For finding entries that are too old."""

preferences = Table(
    "notification_preferences",
    metadata,
    Column("user_id", Id, primary_key=True, autoincrement=False),
    Column("changed", Text, nullable=False),  # JSON: by channel and kind
    sqlite_with_rowid=False,
)

tickets = Table(
    "stream_tickets",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", Id, nullable=False, index=True),
    Column("session_id", Id, nullable=False),
    Column("until", Instant, nullable=False),
    Column("expires_at", Id, nullable=False, index=True),  # milliseconds since 1970 by the database clock
    sqlite_with_rowid=False,
)

mails = Table(
    "mails_due",
    metadata,
    Column("user_id", Id, primary_key=True, autoincrement=False),
    Column("since", Id, nullable=False),
    Column("last", Id, nullable=False),  # below `since` during the cooldown after a mail
    Column("due_at", Id, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("leased_until", Id, nullable=False),
    sqlite_with_rowid=False,
)
