"""Follows, requests, blocks and mutes, in SQLite and PostgreSQL."""

from adapters.sql.graph.counters import SqlGraphCounters
from adapters.sql.graph.reading import SqlGraphReader
from adapters.sql.graph.writing import transactions

__all__ = ["SqlGraphCounters", "SqlGraphReader", "transactions"]
