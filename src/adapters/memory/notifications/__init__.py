"""Streams, stream tickets and the mail queue in memory."""

from adapters.memory.notifications.mails import MemoryMailQueue
from adapters.memory.notifications.reading import MemoryStreamReader
from adapters.memory.notifications.tickets import MemoryStreamTickets
from adapters.memory.notifications.writing import transactions

__all__ = ["MemoryMailQueue", "MemoryStreamReader", "MemoryStreamTickets", "transactions"]
