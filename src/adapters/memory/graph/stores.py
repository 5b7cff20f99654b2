"""The stores of graph in memory."""

from adapters.memory.graph.reading import MemoryGraphCounters, MemoryGraphReader
from adapters.memory.graph.writing import transactions
from adapters.memory.technology import Memory, purge_nothing
from application.graph.stores import GraphStores
from domain.graph import POPULAR


def stores(memory: Memory, popular_at: int = POPULAR) -> GraphStores:
    store = memory.store
    return GraphStores(
        open_tx=transactions(store, memory.new_id, popular_at),
        reader=MemoryGraphReader(store),
        counters=MemoryGraphCounters(store),
        purge_expired=purge_nothing,
    )
