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
    literal_column,
    or_,
    text,
    true,
)

from adapters.sql.metadata import CodePointString, Id, Instant, metadata
from adapters.sql.posts.words import Words

Language = String(35).with_variant(String(12), "sqlite")
"""SQLite ignores the length, and could change it only by copying the table."""

posts = Table(
    "posts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("author_id", Id, nullable=False),
    Column("reply_to", Id, ForeignKey("posts.id")),
    Column("text", Text, nullable=False),
    Column("visibility", String(10), nullable=False),
    Column("content_warning", Text, nullable=False),
    Column("language", Language),
    Column("mentioned", Text, nullable=False),  # ids as JSON, for hydration; `mentions` is for queries
    Column("entities", Text, nullable=False, server_default="[]"),  # as JSON
    Column("edited_at", Instant),
    Column("deleted", Boolean, nullable=False),
    Column("comments", Integer, nullable=False),
    Column("answers", Integer, nullable=False, server_default="0"),
    Column("likes", Integer, nullable=False),
    Column("reposts", Integer, nullable=False, server_default="0"),
    Column("pin", Id),  # see domain: Post.pin
    Column("version", Integer, nullable=False),
    Column("media", Text),  # the media cards, as JSON
    Column("media_rev", Integer, nullable=False, server_default="0"),  # rises with every change of `media`
    Column("becoming", Text, key="pending"),  # PendingPublication as JSON; null once it is published
    Column("withheld", Boolean, nullable=False, server_default=false()),  # see domain: Post.withheld
    CheckConstraint("visibility IN ('public', 'unlisted', 'followers', 'direct')", name="visibility"),
    CheckConstraint("comments >= 0", name="comments"),
    CheckConstraint("answers >= 0", name="answers"),
    CheckConstraint("likes >= 0", name="likes"),
    CheckConstraint("reposts >= 0", name="reposts"),
)
Index(
    "ix_posts_by_author",
    posts.c.author_id,
    posts.c.id,
    sqlite_where=and_(posts.c.reply_to.is_(None), posts.c.deleted == false()),
    postgresql_where=and_(posts.c.reply_to.is_(None), posts.c.deleted == false()),
)
in_thread = or_(posts.c.deleted == false(), posts.c.answers > literal_column("0"))
"""The replies that are shown below a post: all but deleted ones without replies of their own."""
Index(
    "ix_posts_comments",
    posts.c.reply_to,
    posts.c.id,
    sqlite_where=and_(posts.c.reply_to.is_not(None), in_thread),
    postgresql_where=and_(posts.c.reply_to.is_not(None), in_thread),
)
_for_everybody = and_(
    posts.c.visibility == literal_column("'public'"), posts.c.reply_to.is_(None), posts.c.deleted == false()
)
Index("ix_posts_public", posts.c.id, sqlite_where=_for_everybody, postgresql_where=_for_everybody)
Index(
    "ix_posts_pinned",
    posts.c.author_id,
    posts.c.pin,
    sqlite_where=posts.c.pin.is_not(None),
    postgresql_where=posts.c.pin.is_not(None),
)

Index(
    "ix_posts_comments_by_author",
    posts.c.author_id,
    posts.c.id,
    sqlite_where=and_(posts.c.reply_to.is_not(None), posts.c.deleted == false()),
    postgresql_where=and_(posts.c.reply_to.is_not(None), posts.c.deleted == false()),
)

Index(
    "ix_posts_deleted_by_author",
    posts.c.author_id,
    sqlite_where=posts.c.deleted == true(),
    postgresql_where=posts.c.deleted == true(),
)

restricted_authors = Table(
    "restricted_authors",
    metadata,
    Column("user_id", Id, primary_key=True, autoincrement=False),
    Column(
        "private", Boolean, nullable=False
    ),  # also true of deleted accounts, so one column decides whether posts are open
    Column("version", Integer, nullable=False),  # of the profile with this value
    Column("gone_at", Instant),
    sqlite_with_rowid=False,
)
"""A copy of data of identity, for those accounts only that are or were private, or are deleted."""

mentions = Table(
    "mentions",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True),
    Column("user_id", Id, primary_key=True, index=True),
    sqlite_with_rowid=False,
)


def _engagements(name: str, *, listed: bool = True) -> Table:
    """Engagements, at most one per user and post. Two lists are read in the order of their ids: the posts of a user
    and, if `listed`, the users of a post."""
    table = Table(
        name,
        metadata,
        Column("post_id", Id, ForeignKey("posts.id"), primary_key=True),
        Column("user_id", Id, primary_key=True),
        Column("id", Id, nullable=False),
        sqlite_with_rowid=False,
    )
    Index(f"ix_{name}_of_user", table.c.user_id, table.c.id)
    if listed:
        Index(f"ix_{name}_of_post", table.c.post_id, table.c.id)
    return table


likes = _engagements("likes")
reposts = _engagements("reposts")
bookmarks = _engagements("bookmarks", listed=False)

hashtags = Table(
    "hashtags",
    metadata,
    Column("tag", CodePointString(100), primary_key=True),
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True),
    Column(
        "search_key", CodePointString(201), nullable=False, server_default=text("''")
    ),  # see domain: tag_key
    Index("ix_hashtags_post_id", "post_id"),
    Index("ix_hashtags_search_key_post_id", "search_key", "post_id"),
    sqlite_with_rowid=False,
)

post_edits = Table(
    "post_edits",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("content_warning", Text, nullable=False),
    Column("language", Language),
    Column("mentioned", Text, nullable=False),
    Column("entities", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

post_media = Table(
    "post_media",
    metadata,
    Column("media_id", Id, primary_key=True, autoincrement=False),
    Column("post_id", Id, ForeignKey("posts.id"), nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Media can be attached to one post only."""

version_mentions = Table(
    "traces",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True),
    Column("user_id", Id, primary_key=True, index=True),
    sqlite_with_rowid=False,
)
"""Users that a version of a post names and `mentions` does not contain, so that these posts are found when the account
of such a user is erased."""

post_words = Table(
    "post_words",
    metadata,
    Column("post_id", Id, ForeignKey("posts.id"), primary_key=True, autoincrement=False),
    Column("words", Words, nullable=False),
)
"""The search terms of posts that are not deleted. On SQLite the index over it is a virtual table, which triggers of the
migration keep up to date."""
Index("ix_post_words_words", post_words.c.words, postgresql_using="gin").ddl_if(dialect="postgresql")

FULL_TEXT = "post_search"
"""The index of words on SQLite: a table of FTS5, which is not in the metadata."""
