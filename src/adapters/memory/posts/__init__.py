"""Posts, comments, mentions and engagements in memory."""

from adapters.memory.posts.authors import MemoryRestrictedAuthors
from adapters.memory.posts.counters import MemoryAuthored, MemoryCounters
from adapters.memory.posts.engagements import MemoryEngagementsReader
from adapters.memory.posts.entries import MemoryEntries
from adapters.memory.posts.parts import MemoryPostParts
from adapters.memory.posts.reading import MemoryPostsReader
from adapters.memory.posts.searching import MemorySearch
from adapters.memory.posts.writing import transactions

__all__ = [
    "MemoryAuthored",
    "MemoryCounters",
    "MemoryEngagementsReader",
    "MemoryEntries",
    "MemoryPostParts",
    "MemoryPostsReader",
    "MemoryRestrictedAuthors",
    "MemorySearch",
    "transactions",
]
