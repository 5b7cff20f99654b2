"""Uploads, and what is made of them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "media",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("secret", sa.String(22), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("bytes", ID, nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("made", sa.Text()),
        sa.Column("alt_text", sa.Text(), nullable=False),
        sa.Column("focal_x", sa.Float(), nullable=False),
        sa.Column("focal_y", sa.Float(), nullable=False),
        sa.Column("post_id", ID),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("due_at", ID, nullable=False),
        sa.Column("leased_until", ID, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
    )
    op.create_index("ix_media_owner_id_id", "media", ["owner_id", "id"])
    partial = {
        "ix_media_post_id": ("post_id", "post_id IS NOT NULL"),
        "ix_media_jobs": ("due_at", "state = 'processing' AND NOT deleted"),
        "ix_media_stale": ("id", "deleted OR post_id IS NULL"),
    }
    for name, (column, where) in partial.items():
        op.create_index(name, "media", [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))
