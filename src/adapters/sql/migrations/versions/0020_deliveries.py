"""Every subscriber has its own deliveries and dead letters.

What is in the outbox stays there and goes to every subscriber, also what had failed for one of them: which one is not
known, and to the others it makes no difference. For the same reason a dead letter of before goes to every subscriber
when it is replayed. Two kinds of events that meant "call me again" become deliveries to the subscriber that wrote them.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DAY_MS, UNIX_EPOCH = 86_400_000, 719_163  # the latter as Python counts days


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("seq", ID, autoincrement=False, nullable=False),
        sa.Column("subscriber", sa.String(64), nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("aggregate", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", ID, nullable=False),
        sa.Column("leased_until", ID, nullable=False, server_default="0"),
        sa.Column("continue_from", sa.String(64)),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "subscriber", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_aggregate_subscriber_seq", "deliveries", ["aggregate", "subscriber", "seq"]
    )
    op.create_index("ix_deliveries_due_at", "deliveries", ["due_at"])
    op.execute("ALTER TABLE inbox RENAME COLUMN reaction TO subscriber")
    _remake_dead_letters()
    _convert("outbox", "deliveries", {"due_at": 0, "error": ""})
    _convert("dead_letters", "dead_letters", {})
    if op.get_bind().dialect.name == "sqlite":  # whoever held a lease is dead
        op.execute("UPDATE outbox SET leased_until = 0")


def _remake_dead_letters() -> None:
    """SQLite cannot replace a primary key: make the table anew and move the rows."""
    op.rename_table("dead_letters", "old_dead_letters")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_dead_letters RENAME TO pk_old_dead_letters")
    op.create_table(
        "dead_letters",
        sa.Column("seq", ID, autoincrement=False, nullable=False),
        sa.Column("subscriber", sa.String(64), nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("aggregate", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("continue_from", sa.String(64)),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "subscriber", name=op.f("pk_dead_letters")),
    )
    op.execute(
        "INSERT INTO dead_letters (seq, subscriber, event_id, aggregate, kind, data, attempts, error)"
        " SELECT seq, '', event_id, aggregate, kind, data, attempts, error FROM old_dead_letters"
    )
    op.drop_table("old_dead_letters")


def _convert(source: str, target: str, members: dict[str, Any]) -> None:
    """Move the events that meant "call me again" to the one subscriber that they were for."""
    connection = op.get_bind()
    rows: Iterable[Any] = (
        connection.execute(
            sa.text(f"SELECT * FROM {source} WHERE kind IN ('EditToTell', 'PostToForget')")  # noqa: S608 - ours
        )
        .mappings()
        .all()
    )
    table = sa.table(
        target,
        *(
            sa.column(name)
            for name in ("seq", "subscriber", "event_id", "aggregate", "kind", "data", "attempts")
        ),
        *(sa.column(name) for name in ("continue_from", "error", "due_at")),
    )
    for row in rows:
        connection.execute(sa.text(f"DELETE FROM {source} WHERE seq = :seq"), {"seq": row["seq"]})  # noqa: S608
        kept = {name: row[name] for name in ("seq", "aggregate", "attempts")}
        error = {"error": row["error"]} if "error" in row else {}
        connection.execute(sa.insert(table).values(kept | _converted(row) | members | error))


def _converted(row: Mapping[str, Any]) -> dict[str, Any]:
    said = json.loads(row["data"])
    if row["kind"] == "PostToForget":
        deleted = {"post_id": said["post_id"], "author_id": 0, "reply_to": None}
        return {
            "event_id": row["event_id"],
            "kind": "PostDeleted",
            "data": json.dumps(deleted),
            "subscriber": "notifications.retract_post",
        }
    edited = {
        "post_id": said["post_id"],
        "author_id": said["author_id"],
        "version": 1,
        "visibility": "public",
    }
    return {
        "event_id": (said["day"] - UNIX_EPOCH) * DAY_MS
        << 16,  # its day decides whether somebody was told already
        "kind": "Edited",
        "data": json.dumps(edited),
        "subscriber": "notifications.notify_of_edit",
        "continue_from": str(said["after"]),
    }
