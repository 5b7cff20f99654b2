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
