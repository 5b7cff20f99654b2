"""Timelines and votes in this process."""

from adapters.memory.feeds.timelines import MemoryTimelines, NoTimelines
from adapters.memory.feeds.votes import MemoryVotesReader, transactions

__all__ = ["MemoryTimelines", "MemoryVotesReader", "NoTimelines", "transactions"]
