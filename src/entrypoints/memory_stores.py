"""The stores of all modules in memory. A separate file, because only the shape `memory` should load them."""

from dataclasses import dataclass

from adapters.memory.feeds.stores import stores as feeds_stores
from adapters.memory.graph.stores import stores as graph_stores
from adapters.memory.identity.stores import stores as identity_stores
from adapters.memory.media.stores import stores as media_stores
from adapters.memory.notifications.stores import stores as notifications_stores
from adapters.memory.outbox import MemoryOutboxQueue
from adapters.memory.posts.stores import stores as posts_stores
from adapters.memory.technology import Memory
from application.feeds.stores import FeedsStores
from application.graph.stores import GraphStores
from application.identity.stores import IdentityStores
from application.media.stores import MediaStores
from application.notifications.stores import NotificationsStores
from application.posts.stores import PostsStores
from application.shared.deliveries import OutboxQueue


@dataclass(frozen=True, slots=True)
class MemoryStores:
    """Each method makes the stores of one module, all on the same memory."""

    memory: Memory

    def identity(self) -> IdentityStores:
        return identity_stores(self.memory)

    def graph(self) -> GraphStores:
        return graph_stores(self.memory)

    def posts(self) -> PostsStores:
        return posts_stores(self.memory)

    def feeds(self) -> FeedsStores:
        return feeds_stores(self.memory)

    def notifications(self) -> NotificationsStores:
        return notifications_stores(self.memory)

    def media(self) -> MediaStores:
        return media_stores(self.memory)

    def outbox_queue(self) -> OutboxQueue:
        return MemoryOutboxQueue(self.memory.store, self.memory.monotonic)
