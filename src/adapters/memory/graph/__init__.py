"""Follows, requests, blocks and mutes in memory."""

from adapters.memory.graph.reading import MemoryGraphCounters, MemoryGraphReader
from adapters.memory.graph.writing import transactions

__all__ = ["MemoryGraphCounters", "MemoryGraphReader", "transactions"]
