"""The security records."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "security_events",
        sa.Column("number", ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("user_id", ID),
        sa.Column("session_id", ID),
        sa.Column("network", sa.String(50), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_security_events")),
    )
    op.create_index("ix_security_events_at", "security_events", ["at"])
    theirs = sa.text("user_id IS NOT NULL")
    op.create_index(
        "ix_security_events_user_id_number",
        "security_events",
        ["user_id", "number"],
        sqlite_where=theirs,
        postgresql_where=theirs,
    )
