"""Posts, comments, mentions and marks, in SQLite and PostgreSQL."""

from adapters.sql.posts.counters import SqlAuthored, SqlCounters
from adapters.sql.posts.marks import SqlMarksReader
from adapters.sql.posts.reading import SqlPostsReader
from adapters.sql.posts.writing import transactions

__all__ = ["SqlAuthored", "SqlCounters", "SqlMarksReader", "SqlPostsReader", "transactions"]
