"""Devices and last use of sessions, keys that rotate."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Filled in by what this revision is about."""
