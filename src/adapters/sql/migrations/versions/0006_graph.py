"""Follows, requests, blocks, mutes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name in ("follows", "follow_requests", "blocks", "mutes"):
        until = [sa.Column("until", sa.BigInteger())] if name == "mutes" else []
        op.create_table(
            name,
            sa.Column("user_id", ID, nullable=False),
            sa.Column("other_id", ID, nullable=False),
            sa.Column("id", ID, nullable=False),
            *until,
            sa.PrimaryKeyConstraint("user_id", "other_id", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
        op.create_index(f"ix_{name}_of_user", name, ["user_id", "id"])
        op.create_index(f"ix_{name}_of_other", name, ["other_id", "id"])
    ending = sa.text("until IS NOT NULL")
    op.create_index("ix_mutes_until", "mutes", ["until"], sqlite_where=ending, postgresql_where=ending)
    op.create_index("ix_follows_audience", "follows", ["other_id", "user_id"])
    op.create_table(
        "graph_users",
        sa.Column("user_id", ID, nullable=False, autoincrement=False),
        sa.Column("followers", sa.Integer(), nullable=False),
        sa.Column("following", sa.Integer(), nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.Column("popular", sa.Boolean(), nullable=False),
        sa.CheckConstraint("followers >= 0", name=op.f("ck_graph_users_followers")),
        sa.CheckConstraint("following >= 0", name=op.f("ck_graph_users_following")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_graph_users")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_graph_users_popular",
        "graph_users",
        ["user_id"],
        sqlite_where=sa.text("popular = 1"),  # as queries say it there: else they do not use the index
        postgresql_where=sa.text("popular = true"),
    )
