"""Events and stream entries know the trace in which they were made. NULL unless the trace is recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    for table in ("outbox", "deliveries", "dead_letters", "stream_entries"):
        op.add_column(table, sa.Column("traceparent", sa.String(55)))
