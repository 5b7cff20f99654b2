"""Reposts, bookmarks, pins."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # As text: SQLite adds a column with its constraint, but no constraint later.
    op.execute(
        "ALTER TABLE posts ADD COLUMN reposts INTEGER DEFAULT 0 NOT NULL CONSTRAINT ck_posts_reposts CHECK (reposts >= 0)"
    )
    op.add_column("posts", sa.Column("pin", ID, nullable=True))
    op.create_index(
        "ix_posts_pinned",
        "posts",
        ["author_id", "pin"],
        sqlite_where=sa.text("pin IS NOT NULL"),
        postgresql_where=sa.text("pin IS NOT NULL"),
    )
    for name in ("reposts", "bookmarks"):
        op.create_table(
            name,
            sa.Column("post_id", ID, nullable=False),
            sa.Column("user_id", ID, nullable=False),
            sa.Column("id", ID, nullable=False),
            sa.ForeignKeyConstraint(["post_id"], ["posts.id"], name=op.f(f"fk_{name}_post_id")),
            sa.PrimaryKeyConstraint("post_id", "user_id", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
    for name in ("likes", "reposts", "bookmarks"):
        op.create_index(f"ix_{name}_of_user", name, ["user_id", "id"])
    for name in ("likes", "reposts"):
        op.create_index(f"ix_{name}_of_post", name, ["post_id", "id"])
