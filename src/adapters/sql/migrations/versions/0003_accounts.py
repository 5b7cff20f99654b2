"""Private and deleted accounts, names that rest."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Filled in by what this revision is about."""
