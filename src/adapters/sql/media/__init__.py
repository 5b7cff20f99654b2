"""Media and the processing queue in SQLite and PostgreSQL."""

from adapters.sql.media.queue import SqlProcessingQueue
from adapters.sql.media.reading import SqlMediaReader
from adapters.sql.media.writing import transactions

__all__ = ["SqlMediaReader", "SqlProcessingQueue", "transactions"]
