"""Notes of uploads that outlive their media: for quotas of a day, and for what tickets leave in the storage."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DAY_MS = 24 * 60 * 60 * 1000


def upgrade() -> None:
    op.create_table(
        "media_uploads",
        sa.Column("media_id", ID, autoincrement=False, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("secret", sa.String(22), nullable=False),
        sa.Column("bytes", ID, nullable=False),
        sa.Column("session_id", ID),
        sa.Column("ticket_until", ID),
        sa.Column("look_at", ID),
        sa.PrimaryKeyConstraint("media_id", name=op.f("pk_media_uploads")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_media_uploads_owner_id_media_id", "media_uploads", ["owner_id", "media_id"])
    where = sa.text("look_at IS NOT NULL")
    op.create_index(
        "ix_media_uploads_look_at", "media_uploads", ["look_at"], sqlite_where=where, postgresql_where=where
    )
    # What was uploaded today goes on counting.
    today = (int(time.time() * 1000) - DAY_MS) << 16
    op.execute(
        sa.text(
            "INSERT INTO media_uploads (media_id, owner_id, secret, bytes) "
            "SELECT id, owner_id, secret, bytes FROM media WHERE id >= :today"
        ).bindparams(today=today)
    )
