"""Media and the processing queue in memory."""

from adapters.memory.media.queue import MemoryProcessingQueue
from adapters.memory.media.store import MemoryMediaReader, transactions

__all__ = ["MemoryMediaReader", "MemoryProcessingQueue", "transactions"]
