"""Posts, comments, likes and mentions, in SQLite and PostgreSQL."""

from adapters.sql.posts.reading import SqlPostsReader
from adapters.sql.posts.writing import transactions

__all__ = ["SqlPostsReader", "transactions"]
