"""Votes in SQLite and PostgreSQL."""

from adapters.sql.feeds.votes import SqlVotesReader, transactions

__all__ = ["SqlVotesReader", "transactions"]
