"""The stores of media in memory."""

from adapters.memory.media.queue import MemoryProcessingQueue
from adapters.memory.media.store import MemoryMediaReader, transactions
from adapters.memory.technology import Memory
from application.media.stores import MediaStores


def stores(memory: Memory) -> MediaStores:
    store = memory.store
    return MediaStores(
        open_tx=transactions(store, memory.new_id, memory.now),
        reader=MemoryMediaReader(store),
        jobs=MemoryProcessingQueue(store, memory.monotonic),
    )
