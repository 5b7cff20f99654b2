"""All tables at once, for the migrations: each module's file declares its own."""

from adapters.sql import idempotency, identity, outbox, posts, process_numbers
from adapters.sql.metadata import metadata

__all__ = ["idempotency", "identity", "metadata", "outbox", "posts", "process_numbers"]
