"""The tables of feeds: projections of events, which may be dropped at any time."""

from sqlalchemy import Column, Index, Integer, String, Table

from adapters.sql.metadata import Id, metadata

engagement_signals = Table(
    "votes",
    metadata,
    Column("post_id", Id, primary_key=True),
    Column("user_id", Id, primary_key=True, index=True),
    Column("source", Id, primary_key=True),  # 1 for a like, 2 for a repost, otherwise the id of a comment
    Column("weight", Integer, nullable=False),
    Column("at", Id, nullable=False),  # milliseconds since 1970
    # A covering index for counting, in its order.
    Index("ix_votes_at", "at", "post_id", "user_id", "source", "weight"),
    sqlite_with_rowid=False,
)
"""Recent engagement with posts."""

hashtag_signals = Table(
    "tag_votes",
    metadata,
    Column("post_id", Id, primary_key=True),
    Column("tag", String(100), primary_key=True),
    Column("user_id", Id, nullable=False, index=True),
    Column("at", Id, nullable=False),
    Index("ix_tag_votes_at", "at", "post_id", "tag", "user_id"),
    sqlite_with_rowid=False,
)
"""Recent use of hashtags in public posts."""
