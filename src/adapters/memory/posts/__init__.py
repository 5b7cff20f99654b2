"""Posts, comments and likes in memory."""

from adapters.memory.posts.reading import MemoryPostsReader
from adapters.memory.posts.writing import transactions

__all__ = ["MemoryPostsReader", "transactions"]
