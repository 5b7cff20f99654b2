"""The stores of identity in memory."""

from adapters.memory.identity.keys import MemoryKeyStore
from adapters.memory.identity.pending import MemoryConfirmationQueue
from adapters.memory.identity.reading import MemoryIdentityReader
from adapters.memory.identity.searching import MemoryPeopleSearch
from adapters.memory.identity.security import MemorySecurityRecords
from adapters.memory.identity.writing import post_counts, transactions
from adapters.memory.technology import Memory, purge_nothing
from application.identity.stores import IdentityStores


def stores(memory: Memory) -> IdentityStores:
    store = memory.store
    return IdentityStores(
        open_tx=transactions(store, memory.new_id),
        open_post_counts=post_counts(store),
        reader=MemoryIdentityReader(store),
        keys=MemoryKeyStore(store),
        security_records=MemorySecurityRecords(store),
        people_search=MemoryPeopleSearch(store),
        confirmations=MemoryConfirmationQueue(store, now=memory.now, monotonic=memory.monotonic),
        purge_expired=purge_nothing,
    )
