"""Media and the jobs that process them, in memory."""

from adapters.memory.media.jobs import MemoryJobs
from adapters.memory.media.store import MemoryMediaReader, transactions

__all__ = ["MemoryJobs", "MemoryMediaReader", "transactions"]
