"""Edits, tombstones, hashtags, what a text names."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

OPEN = "visibility IN ('public', 'unlisted')"
# What was deleted so far and has comments under it becomes a tombstone, and so does what is above one.
SHOWN = f"""
    WITH RECURSIVE shown(id, reply_to) AS (
        SELECT id, reply_to FROM posts WHERE deleted AND comments > 0 AND {OPEN}
        UNION
        SELECT posts.id, posts.reply_to FROM posts JOIN shown ON posts.id = shown.reply_to
        WHERE posts.deleted AND {OPEN}
    )
    UPDATE posts SET answers = comments + (SELECT count(*) FROM shown WHERE shown.reply_to = posts.id)
    WHERE comments > 0 OR id IN (SELECT reply_to FROM shown)
"""  # noqa: S608 - of constants


def upgrade() -> None:
    op.add_column("posts", sa.Column("entities", sa.Text(), server_default="[]", nullable=False))
    # Written out: SQLite takes a constraint with a new column, but none later.
    op.execute(
        "ALTER TABLE posts ADD COLUMN answers INTEGER DEFAULT '0' NOT NULL"
        " CONSTRAINT ck_posts_answers CHECK (answers >= 0)"
    )
    op.execute(SHOWN)
    op.drop_index("ix_posts_comments", "posts")
    op.create_index(
        "ix_posts_comments",
        "posts",
        ["reply_to", "id"],
        unique=False,
        sqlite_where=sa.text("reply_to IS NOT NULL AND (deleted = 0 OR answers > 0)"),
        postgresql_where=sa.text("reply_to IS NOT NULL AND (deleted = false OR answers > 0)"),
    )
    op.create_table(
        "hashtags",
        sa.Column("tag", sa.String(length=100), nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_hashtags_post_id")),
        sa.PrimaryKeyConstraint("tag", "post_id", name=op.f("pk_hashtags")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_hashtags_post_id", "hashtags", ["post_id"], unique=False)
    op.create_table(
        "post_edits",
        sa.Column("post_id", ID, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("content_warning", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=12), nullable=True),
        sa.Column("mentioned", sa.Text(), nullable=False),
        sa.Column("entities", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_post_edits_post_id")),
        sa.PrimaryKeyConstraint("post_id", "version", name=op.f("pk_post_edits")),
    )
    op.create_table(
        "traces",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f("fk_traces_post_id")),
        sa.PrimaryKeyConstraint("post_id", "user_id", name=op.f("pk_traces")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_traces_user_id"), "traces", ["user_id"], unique=False)
