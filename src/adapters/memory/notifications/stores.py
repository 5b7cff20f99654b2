"""The stores of notifications in memory."""

from adapters.memory.notifications.mails import MemoryMailQueue
from adapters.memory.notifications.reading import MemoryStreamReader
from adapters.memory.notifications.tickets import MemoryStreamTickets
from adapters.memory.notifications.writing import transactions
from adapters.memory.technology import Memory, purge_nothing
from application.notifications.stores import NotificationsStores


def stores(memory: Memory) -> NotificationsStores:
    store = memory.store
    return NotificationsStores(
        open_tx=transactions(store),
        reader=MemoryStreamReader(store),
        tickets=MemoryStreamTickets(store, memory.monotonic),
        mail_queue=MemoryMailQueue(store, now=memory.now, monotonic=memory.monotonic),
        purge_expired=purge_nothing,
    )
