"""Media of posts, and posts that wait for theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("posts", sa.Column("media", sa.Text()))
    op.add_column("posts", sa.Column("media_rev", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("posts", sa.Column("becoming", sa.Text()))
    op.create_table(
        "post_media",
        sa.Column("media_id", ID, autoincrement=False, nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_post_media_post_id")),
        sa.PrimaryKeyConstraint("media_id", name=op.f("pk_post_media")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_post_media_post_id", "post_media", ["post_id"])
