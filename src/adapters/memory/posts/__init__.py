"""Posts, comments, mentions and marks in memory."""

from adapters.memory.posts.counters import MemoryAuthored, MemoryCounters
from adapters.memory.posts.marks import MemoryMarksReader
from adapters.memory.posts.reading import MemoryPostsReader
from adapters.memory.posts.writing import transactions

__all__ = ["MemoryAuthored", "MemoryCounters", "MemoryMarksReader", "MemoryPostsReader", "transactions"]
