"""Comments of private accounts are for their followers and for whom they answer, and count nowhere."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("posts", sa.Column("withheld", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Posts is told once more of every private account, and withholds its comments in small transactions.
    op.execute(
        "INSERT INTO outbox (event_id, aggregate, kind, data)"
        " SELECT user_id, 'user:' || CAST(user_id AS VARCHAR), 'ProfileChanged',"
        """ '{"user_id": ' || CAST(user_id AS VARCHAR) || ', "private": true, "version": '"""
        " || CAST(version AS VARCHAR) || '}'"
        " FROM restricted_authors WHERE private AND gone_at IS NULL"
    )
