"""The stores of posts in memory."""

from adapters.memory.posts.authors import MemoryRestrictedAuthors
from adapters.memory.posts.counters import MemoryAuthored, MemoryCounters
from adapters.memory.posts.engagements import MemoryEngagementsReader
from adapters.memory.posts.entries import MemoryEntries
from adapters.memory.posts.parts import MemoryPostParts
from adapters.memory.posts.reading import MemoryPostsReader
from adapters.memory.posts.searching import MemorySearch
from adapters.memory.posts.writing import transactions
from adapters.memory.technology import Memory, purge_nothing
from application.posts.stores import PostsStores


def stores(memory: Memory) -> PostsStores:
    store = memory.store
    return PostsStores(
        open_tx=transactions(store, memory.new_id),
        reader=MemoryPostsReader(store),
        parts=MemoryPostParts(store),
        engagements=MemoryEngagementsReader(store),
        counters=MemoryCounters(store),
        search=MemorySearch(store),
        feed_entries=MemoryEntries(store),
        authored=MemoryAuthored(store),
        restricted_authors=MemoryRestrictedAuthors(store),
        purge_expired=purge_nothing,
    )
