"""The tables of posts."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    false,
)

from adapters.sql.metadata import Id, Instant, metadata

posts = Table(
    "posts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("author_id", Id, nullable=False),
    Column("reply_to", Id, ForeignKey("posts.id")),
    Column("text", Text, nullable=False),
    Column("visibility", String(10), nullable=False),
    Column("content_warning", Text, nullable=False),
    Column("language", String(12)),
    Column("mentioned", Text, nullable=False),  # ids as JSON, for presenting; `mentions` is for asking
    Column("edited_at", Instant),
    Column("deleted", Boolean, nullable=False),
    Column("comments", Integer, nullable=False),
    Column("likes", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("visibility IN ('public', 'unlisted', 'followers', 'direct')", name="visibility"),
    CheckConstraint("comments >= 0", name="comments"),
    CheckConstraint("likes >= 0", name="likes"),
)
Index(
    "ix_posts_by_author",
    posts.c.author_id,
    posts.c.id,
    sqlite_where=and_(posts.c.reply_to.is_(None), posts.c.deleted == false()),
    postgresql_where=and_(posts.c.reply_to.is_(None), posts.c.deleted == false()),
)
Index(
    "ix_posts_comments",
    posts.c.reply_to,
    posts.c.id,
    sqlite_where=and_(posts.c.reply_to.is_not(None), posts.c.deleted == false()),
    postgresql_where=and_(posts.c.reply_to.is_not(None), posts.c.deleted == false()),
)

Index(
    "ix_posts_comments_by_author",
    posts.c.author_id,
    posts.c.id,
    sqlite_where=and_(posts.c.reply_to.is_not(None), posts.c.deleted == false()),
    postgresql_where=and_(posts.c.reply_to.is_not(None), posts.c.deleted == false()),
)

restricted_authors = Table(
    "restricted_authors",
    metadata,
    Column("user_id", Id, primary_key=True, autoincrement=False),
    Column("private", Boolean, nullable=False),  # also of who is gone: one look tells that all is not open
    Column("version", Integer, nullable=False),  # of the profile that said so
    Column("gone_at", Instant),
    sqlite_with_rowid=False,
)
"""A copy of what identity said, of those accounts only that are or once were private, or are gone."""

mentions = Table(
    "mentions",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True),
    Column("user_id", Id, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

likes = Table(
    "likes",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True),
    Column("user_id", Id, primary_key=True),
    Column("id", Id, nullable=False),
    sqlite_with_rowid=False,
)
