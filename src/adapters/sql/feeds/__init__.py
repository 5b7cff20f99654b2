"""The stores of feeds in SQLite and PostgreSQL."""

from adapters.sql.feeds.signals import SqlSignalsReader, transactions

__all__ = ["SqlSignalsReader", "transactions"]
