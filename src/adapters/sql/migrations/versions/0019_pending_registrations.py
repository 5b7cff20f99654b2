"""Registrations that wait until their address is confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pending_registrations",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("username", sa.String(30), nullable=False),
        sa.Column("email_index", sa.LargeBinary(32), nullable=False),
        sa.Column("email_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("password_hash", sa.String(128), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("seed", sa.LargeBinary(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", ID),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_until", ID, nullable=False),
        sa.Column("sent_at", ID),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_registrations")),
        sa.UniqueConstraint("username", name=op.f("uq_pending_registrations_username")),
        sa.UniqueConstraint("digest", name=op.f("uq_pending_registrations_digest")),
    )
    for column in ("email_index", "expires_at", "due_at"):
        op.create_index(op.f(f"ix_pending_registrations_{column}"), "pending_registrations", [column])
