"""The tables of graph."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, Table, true

from adapters.sql.metadata import Id, Instant, metadata


def _relationship_table(name: str, *members: Column[object]) -> Table:
    """A table of relationships: `user_id` follows, blocks … `other_id`. Lists are ordered by `id`."""
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


follows = _relationship_table("follows")
Index("ix_follows_audience", follows.c.other_id, follows.c.user_id)
follow_requests = _relationship_table("follow_requests")
blocks = _relationship_table("blocks")
mutes = _relationship_table("mutes", Column("until", Instant))
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
    Column("version", Id, nullable=False),  # of the viewer context: rises with every change
    Column("popular", Boolean, nullable=False),  # never becomes false again
    CheckConstraint("followers >= 0", name="followers"),
    CheckConstraint("following >= 0", name="following"),
    sqlite_with_rowid=False,
)
"""One row for each user with relationships. A change of a relationship locks the rows of both users, the smaller id
first."""
Index(
    "ix_graph_users_popular",
    graph_users.c.user_id,
    sqlite_where=graph_users.c.popular == true(),
    postgresql_where=graph_users.c.popular == true(),
)
