"""Edits, tombstones, hashtags, what a text names."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Filled in by what this revision is about."""
