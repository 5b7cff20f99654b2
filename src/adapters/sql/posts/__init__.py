"""Posts, comments, mentions and engagements in SQLite and PostgreSQL."""

from adapters.sql.posts.authors import SqlRestrictedAuthors
from adapters.sql.posts.counters import SqlAuthored, SqlCounters
from adapters.sql.posts.engagements import SqlEngagementsReader
from adapters.sql.posts.entries import SqlEntries
from adapters.sql.posts.parts import SqlPostParts
from adapters.sql.posts.reading import SqlPostsReader
from adapters.sql.posts.searching import SqlSearch
from adapters.sql.posts.writing import transactions

__all__ = [
    "SqlAuthored",
    "SqlCounters",
    "SqlEngagementsReader",
    "SqlEntries",
    "SqlPostParts",
    "SqlPostsReader",
    "SqlRestrictedAuthors",
    "SqlSearch",
    "transactions",
]
