"""Media and the jobs that process them, in SQLite and PostgreSQL."""

from adapters.sql.media.jobs import SqlJobs
from adapters.sql.media.reading import SqlMediaReader
from adapters.sql.media.writing import transactions

__all__ = ["SqlJobs", "SqlMediaReader", "transactions"]
