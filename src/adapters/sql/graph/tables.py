"""The tables of graph."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table, true

from adapters.sql.metadata import Id, Instant, metadata


def _ties(name: str, *members: Column[object]) -> Table:
    """What one person does to another, once. The lists of both are in the order of the ties' ids."""
    table = Table(
        name,
        metadata,
        Column("user_id", Id, primary_key=True),
        Column("other_id", Id, primary_key=True),
        Column("id", Id, nullable=False),
        *members,
        sqlite_with_rowid=False,
    )
    Index(f"ix_{name}_of_user", table.c.user_id, table.c.id)
    Index(f"ix_{name}_of_other", table.c.other_id, table.c.id)
    return table


follows = _ties("follows")
Index("ix_follows_audience", follows.c.other_id, follows.c.user_id)
follow_requests = _ties("follow_requests")
blocks = _ties("blocks")
mutes = _ties("mutes", Column("until", Instant))
Index(
    "ix_mutes_until",
    mutes.c.until,
    sqlite_where=mutes.c.until.is_not(None),
    postgresql_where=mutes.c.until.is_not(None),
)

graph_users = Table(
    "graph_users",
    metadata,
    Column("user_id", Id, primary_key=True, autoincrement=False),
    Column("followers", Integer, nullable=False),
    Column("following", Integer, nullable=False),
    Column("version", Id, nullable=False),  # of what surrounds the user: rises with every change
    Column("popular", Boolean, nullable=False),  # once true, for good
    CheckConstraint("followers >= 0", name="followers"),
    CheckConstraint("following >= 0", name="following"),
    sqlite_with_rowid=False,
)
"""A row of each user with ties: whoever changes a tie locks the rows of both, the smaller id first."""
Index(
    "ix_graph_users_popular",
    graph_users.c.user_id,
    sqlite_where=graph_users.c.popular == true(),
    postgresql_where=graph_users.c.popular == true(),
)
