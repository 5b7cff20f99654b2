"""The indexes that feeds are read by."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_index(
        "ix_posts_public",
        "posts",
        ["id"],
        sqlite_where=sa.text("visibility = 'public' AND reply_to IS NULL AND deleted = 0"),
        postgresql_where=sa.text("visibility = 'public' AND reply_to IS NULL AND deleted = false"),
    )
