"""The stores of feeds in memory."""

from adapters.memory.feeds.signals import MemorySignalsReader, transactions
from adapters.memory.technology import Memory, purge_nothing
from application.feeds.stores import FeedsStores


def stores(memory: Memory) -> FeedsStores:
    return FeedsStores(
        open_tx=transactions(memory.store),
        signals=MemorySignalsReader(memory.store),
        purge_expired=purge_nothing,
    )
