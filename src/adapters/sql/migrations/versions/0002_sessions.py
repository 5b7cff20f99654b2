"""Devices and last use of sessions, keys that rotate."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "sessions", sa.Column("authenticated_at", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("sessions", sa.Column("device_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("sessions", sa.Column("network", sa.String(length=64), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        _remake_signing_keys()
    else:
        op.add_column("signing_keys", sa.Column("retired_at", sa.BigInteger(), nullable=True))
        op.drop_constraint(op.f("ck_signing_keys_state"), "signing_keys")
        op.create_check_constraint(op.f("ck_signing_keys_state"), "signing_keys", STATES)


STATES = "state IN ('next', 'active', 'retiring')"


def _remake_signing_keys() -> None:
    """SQLite cannot replace a constraint: make the table anew and move the rows."""
    op.create_table(
        "new_signing_keys",
        sa.Column("kid", sa.String(length=32), nullable=False),
        sa.Column("private_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(STATES, name=op.f("ck_signing_keys_state")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.execute(
        "INSERT INTO new_signing_keys (kid, private_sealed, public, state, made_at) "
        "SELECT kid, private_sealed, public, state, made_at FROM signing_keys"
    )
    op.drop_table("signing_keys")
    op.rename_table("new_signing_keys", "signing_keys")
    op.create_index(
        "uq_signing_keys_active",
        "signing_keys",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
    )
