"""All tables at once, for the migrations: each module's file declares its own."""

from adapters.sql import idempotency, outbox, process_numbers
from adapters.sql.identity import tables as identity
from adapters.sql.metadata import metadata
from adapters.sql.posts import tables as posts

__all__ = ["idempotency", "identity", "metadata", "outbox", "posts", "process_numbers"]
