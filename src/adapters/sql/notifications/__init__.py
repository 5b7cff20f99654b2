"""Streams, stream tickets and the mail queue in SQL."""

from adapters.sql.notifications.mails import SqlMailQueue
from adapters.sql.notifications.reading import SqlStreamReader
from adapters.sql.notifications.tickets import SqlStreamTickets
from adapters.sql.notifications.writing import transactions

__all__ = ["SqlMailQueue", "SqlStreamReader", "SqlStreamTickets", "transactions"]
