"""Private and deleted accounts, names that rest."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("accounts", sa.Column("private", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "resting_names",
        sa.Column("name_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name_index", name=op.f("pk_resting_names")),
    )
    op.create_table(
        "restricted_authors",
        sa.Column("user_id", ID, autoincrement=False, nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("gone_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_restricted_authors")),
        sqlite_with_rowid=False,
    )
    op.add_column("idempotency_keys", sa.Column("owner", ID, nullable=True))
    op.create_index(
        "ix_idempotency_keys_owner",
        "idempotency_keys",
        ["owner"],
        unique=False,
        sqlite_where=sa.text("owner IS NOT NULL"),
        postgresql_where=sa.text("owner IS NOT NULL"),
    )
    # What erases an account finds its comments, its tombstones, and where it is mentioned, by these.
    op.create_index(
        "ix_posts_comments_by_author",
        "posts",
        ["author_id", "id"],
        unique=False,
        sqlite_where=sa.text("reply_to IS NOT NULL AND deleted = 0"),
        postgresql_where=sa.text("reply_to IS NOT NULL AND NOT deleted"),
    )
    op.create_index(
        "ix_posts_deleted_by_author",
        "posts",
        ["author_id"],
        unique=False,
        sqlite_where=sa.text("deleted = 1"),
        postgresql_where=sa.text("deleted"),
    )
    op.create_index(op.f("ix_mentions_user_id"), "mentions", ["user_id"], unique=False)
