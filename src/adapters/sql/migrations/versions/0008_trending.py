"""Votes for what is trending."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "votes",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("source", ID, nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("at", ID, nullable=False),
        sa.PrimaryKeyConstraint("post_id", "user_id", "source", name=op.f("pk_votes")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_votes_user_id", "votes", ["user_id"])
    op.create_index("ix_votes_at", "votes", ["at", "post_id", "user_id", "source", "weight"])
    op.create_table(
        "tag_votes",
        sa.Column("post_id", ID, nullable=False),
        sa.Column("tag", sa.String(100), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("at", ID, nullable=False),
        sa.PrimaryKeyConstraint("post_id", "tag", name=op.f("pk_tag_votes")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tag_votes_user_id", "tag_votes", ["user_id"])
    op.create_index("ix_tag_votes_at", "tag_votes", ["at", "post_id", "tag", "user_id"])
