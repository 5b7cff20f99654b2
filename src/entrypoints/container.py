"""The composition root: all adapters, each created once, on first use.

`dependency-injector` caches them, and lets tests override them. It does not check the types of its arguments, so the only
argument is this container: every factory is a function of it, which mypy checks. `entrypoints/wiring.py` connects the
modules.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dependency_injector import containers, providers

from adapters import clock
from adapters.disk import Disk
from adapters.folders import TemporaryFolders
from adapters.ids import IdAllocator
from adapters.memory.cache import MemoryCache
from adapters.metered.meters import Meters
from adapters.processing.parent import ChildProcessor
from adapters.security.passwords import BcryptPasswords
from adapters.security.sealing import Secrets
from adapters.security.tokens import SigningKeys
from adapters.sql.database import Database
from adapters.sql.deliveries import queue_on
from adapters.sql.feeds import stores as sql_feeds
from adapters.sql.graph import stores as sql_graph
from adapters.sql.identity import stores as sql_identity
from adapters.sql.media import stores as sql_media
from adapters.sql.notifications import stores as sql_notifications
from adapters.sql.posts import stores as sql_posts
from adapters.sql.technology import Sql
from adapters.storage.signing import MediaAddresses, TicketSigner
from application.feeds.stores import FeedsStores
from application.graph.stores import GraphStores
from application.identity.module import IdentityModule
from application.identity.stores import IdentityStores
from application.media.stores import MediaStores
from application.notifications.hub import Hub
from application.notifications.ports import StreamHints
from application.notifications.stores import NotificationsStores
from application.posts.stores import PostsStores
from application.shared.deliveries import OutboxQueue
from application.shared.ports import Clock
from application.shared.readings import Readings
from application.shared.relay import Relay
from application.shared.subscriptions import Subscribers
from entrypoints import choosing, wiring
from entrypoints.configuration import Configuration
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from adapters.memory.store import Store
    from entrypoints.memory_stores import MemoryStores

T = TypeVar("T")
Provider = providers.Provider

SELF: providers.Self["Container"] = providers.Self()
CONFIG: providers.Dependency[Configuration] = providers.Dependency(instance_of=Configuration)


def once(make: Callable[["Container"], T]) -> providers.Singleton[T]:
    return providers.Singleton(make, SELF)


def by_store(*, memory: Callable[["MemoryStores"], T], sql: Callable[[Sql], T]) -> providers.Singleton[T]:
    """Created by the configured technology. To move a module to another technology, change its line below."""

    def make(c: "Container") -> T:
        return memory(c.memory_stores()) if c.config().store == "memory" else sql(c.sql())

    return once(make)


class Container(containers.DeclarativeContainer):
    """Waggle in the shape that `config` says. Nothing is opened by making it."""

    __self__ = SELF
    config = CONFIG

    # Used by all other parts.
    now: Provider[Clock] = providers.Object(clock.utc_now)
    monotonic: Provider[Callable[[], float]] = providers.Object(time.monotonic)
    ids: Provider[IdAllocator] = once(lambda c: IdAllocator(c.monotonic()))
    secrets: Provider[Secrets] = once(lambda c: Secrets(c.config().master_key))
    keys = once(lambda _: SigningKeys())
    meters = once(lambda _: Meters())
    disk = once(lambda c: Disk(c.config().data_folder))
    wake = once(lambda _: asyncio.Event())
    """Set by each commit, to wake the relay. Belongs to the event loop in which it is first used."""
    traces = once(choosing.traces)
    readings = once(lambda _: Readings())
    """The rows and cached values that kept responses were read from. See `entrypoints/runtime.py`."""

    # The stores of each module.
    store: Provider["Store"] = once(choosing.store)
    database: Provider[Database] = once(choosing.database)
    memory_stores: Provider["MemoryStores"] = once(choosing.memory_stores)
    sql: Provider[Sql] = once(
        lambda c: Sql(
            database=c.database(),
            sealer=c.secrets(),
            new_id=c.ids(),
            monotonic=c.monotonic(),
            readings=c.readings(),
        )
    )
    identity_stores: Provider[IdentityStores] = by_store(
        memory=lambda all_: all_.identity(), sql=sql_identity.stores
    )
    graph_stores: Provider[GraphStores] = by_store(memory=lambda all_: all_.graph(), sql=sql_graph.stores)
    posts_stores: Provider[PostsStores] = by_store(memory=lambda all_: all_.posts(), sql=sql_posts.stores)
    feeds_stores: Provider[FeedsStores] = by_store(memory=lambda all_: all_.feeds(), sql=sql_feeds.stores)
    notifications_stores: Provider[NotificationsStores] = by_store(
        memory=lambda all_: all_.notifications(), sql=sql_notifications.stores
    )
    media_stores: Provider[MediaStores] = by_store(memory=lambda all_: all_.media(), sql=sql_media.stores)
    outbox_queue: Provider[OutboxQueue] = by_store(
        memory=lambda all_: all_.outbox_queue(),
        sql=lambda sql: queue_on(sql.database, sql.monotonic),
    )

    # Adapters that depend on a setting.
    redis = once(choosing.redis)
    redis_timelines = once(choosing.redis_timelines)
    timelines = once(choosing.timelines)
    limiter = once(choosing.limiter)
    memory_cache = once(lambda c: MemoryCache(c.monotonic()))
    cache = once(choosing.cache)
    mail = once(choosing.mail)
    s3 = once(choosing.s3)
    storage = once(choosing.storage)
    hub = once(lambda c: Hub(reader=c.notifications_stores().reader, sessions=c.identity().live_sessions))
    redis_hints = once(choosing.redis_hints)
    hints: providers.Singleton[StreamHints] = once(choosing.hints)

    # The same in every shape.
    passwords = once(lambda c: BcryptPasswords(c.config().settings.password_cost))
    direct_uploads = once(
        lambda c: TicketSigner(key=c.secrets().key("media uploads"), origin=c.config().media_origin)
    )
    media_addresses = once(
        lambda c: MediaAddresses(key=c.secrets().key("media addresses"), origin=c.config().media_origin)
    )
    folder = once(lambda c: TemporaryFolders(c.config().temporary))
    processor: providers.Singleton[ChildProcessor] = once(choosing.processor)

    # The modules.
    identity: Provider[IdentityModule] = once(wiring.identity)
    graph = once(wiring.graph)
    media = once(wiring.media)
    posts = once(wiring.posts)
    notifications = once(wiring.notifications)
    feeds = once(wiring.feeds)
    modules = once(wiring.modules)
    subscribers: Provider[Subscribers] = once(choosing.subscribers)
    relay: providers.Singleton[Relay] = once(wiring.relay)

    # The checks of /readyz.
    checks = once(choosing.checks)
    soft_checks = once(choosing.soft_checks)


def build(settings: Settings) -> Container:
    """The container for `settings`. Nothing is opened yet. Raises BadSettings."""
    return Container(config=Configuration.of(settings))
