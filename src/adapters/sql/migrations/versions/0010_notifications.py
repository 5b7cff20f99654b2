"""Streams of what users are told, tickets to open them, and mails that are due."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "streams",
        sa.Column("user_id", ID, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String(16), nullable=False),
        sa.Column("floor", ID, nullable=False),
        sa.Column("head", ID, nullable=False),
        sa.Column("read_to", ID, nullable=False),
        sa.Column("unread", sa.Text(), nullable=False),
        sa.CheckConstraint("floor <= head + 1 AND read_to <= head", name=op.f("ck_streams_order")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_streams")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stream_entries",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("seq", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("actor_id", ID),
        sa.Column("post_id", ID),
        sa.Column("refs", sa.Text()),
        sa.Column("removed", sa.Boolean(), nullable=False),
        sa.Column("dedupe_key", sa.LargeBinary(16)),
        sa.PrimaryKeyConstraint("user_id", "seq", name=op.f("pk_stream_entries")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "uq_stream_entries_dedupe_key",
        "stream_entries",
        ["user_id", "dedupe_key"],
        unique=True,
        sqlite_where=sa.text("dedupe_key IS NOT NULL"),
        postgresql_where=sa.text("dedupe_key IS NOT NULL"),
    )
    for column in ("post_id", "actor_id"):
        op.create_index(
            f"ix_stream_entries_{column}",
            "stream_entries",
            [column],
            sqlite_where=sa.text(f"{column} IS NOT NULL"),
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index("ix_stream_entries_id", "stream_entries", ["id", "user_id", "seq"])
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", ID, autoincrement=False, nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notification_preferences")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stream_tickets",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", ID, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_stream_tickets")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_stream_tickets_user_id", "stream_tickets", ["user_id"])
    op.create_index("ix_stream_tickets_expires_at", "stream_tickets", ["expires_at"])
    op.create_table(
        "mails_due",
        sa.Column("user_id", ID, autoincrement=False, nullable=False),
        sa.Column("since", ID, nullable=False),
        sa.Column("last", ID, nullable=False),
        sa.Column("due_at", ID, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_until", ID, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_mails_due")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_mails_due_due_at", "mails_due", ["due_at"])
