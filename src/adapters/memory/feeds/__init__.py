"""Timelines and engagement signals in memory."""

from adapters.memory.feeds.signals import MemorySignalsReader, transactions
from adapters.memory.feeds.timelines import MemoryTimelines, NoTimelines

__all__ = ["MemorySignalsReader", "MemoryTimelines", "NoTimelines", "transactions"]
