"""All tables together, for the migrations. Each module declares its own tables."""

from adapters.sql import idempotency, outbox, process_numbers
from adapters.sql.feeds import tables as feeds
from adapters.sql.graph import tables as graph
from adapters.sql.identity import security, words
from adapters.sql.identity import tables as identity
from adapters.sql.media import tables as media
from adapters.sql.metadata import metadata
from adapters.sql.notifications import tables as notifications
from adapters.sql.posts import tables as posts

__all__ = [
    "feeds",
    "graph",
    "idempotency",
    "identity",
    "media",
    "metadata",
    "notifications",
    "outbox",
    "posts",
    "process_numbers",
    "security",
    "words",
]
