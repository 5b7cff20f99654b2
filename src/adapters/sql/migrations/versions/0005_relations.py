"""Reposts, bookmarks, pins."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Filled in by what this revision is about."""
