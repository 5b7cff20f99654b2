"""All stores of one Waggle behind their ports, so that one suite of contracts can test every kind of store."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import update

from adapters.in_process.identity import AuthorshipOfPosts
from adapters.memory.feeds import stores as memory_feeds
from adapters.memory.graph import stores as memory_graph
from adapters.memory.identity import stores as memory_identity
from adapters.memory.media import stores as memory_media
from adapters.memory.notifications import stores as memory_notifications
from adapters.memory.outbox import MemoryOutboxQueue
from adapters.memory.posts import stores as memory_posts
from adapters.memory.store import Store
from adapters.memory.technology import Memory
from adapters.security.sealing import Secrets
from adapters.sql.database import Database
from adapters.sql.deliveries import queue_on
from adapters.sql.feeds import stores as sql_feeds
from adapters.sql.graph import stores as sql_graph
from adapters.sql.identity import stores as sql_identity
from adapters.sql.identity.tables import pending_registrations
from adapters.sql.media import stores as sql_media
from adapters.sql.media.tables import media
from adapters.sql.metadata import metadata
from adapters.sql.migrate import migrate
from adapters.sql.notifications import stores as sql_notifications
from adapters.sql.notifications.tables import mails, tickets
from adapters.sql.outbox import deliveries, outbox
from adapters.sql.posts import stores as sql_posts
from adapters.sql.technology import Sql
from application.feeds.stores import FeedsStores
from application.graph.stores import GraphStores
from application.identity.ports import Authorship
from application.identity.stores import IdentityStores
from application.media.stores import MediaStores
from application.notifications.stores import NotificationsStores
from application.posts.stores import PostsStores
from application.posts.views import PostView
from application.shared.deliveries import OutboxQueue
from application.shared.ports import NewId
from domain.identity import Account
from domain.posts import Post, Visibility
from domain.shared import PostId, Unavailable, UserId, ViewerContext

T = TypeVar("T")

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
new_id: NewId = itertools.count(int(BEGINNING.timestamp() * 1000) << 16, 1 << 16).__next__
"""Ids a millisecond apart, unique within one run, so that an example does not need an empty store."""

POPULAR = 3
"""The number of followers that makes an account popular in the tests."""
SECRETS = Secrets(bytes(range(32)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The bundles of one technology, and what the tests need beside them."""

    identity: IdentityStores
    graph: GraphStores
    posts: PostsStores
    feeds: FeedsStores
    notifications: NotificationsStores
    media: MediaStores
    queue: OutboxQueue
    pass_time: Callable[[timedelta], Awaitable[None]]
    """Advances the time of leases, retries, tickets and due mails."""
    wake: asyncio.Event
    """Set after each commit, for the relay."""
    database: Database | None = None

    @property
    def authorship(self) -> Authorship:
        return AuthorshipOfPosts(lambda: self.posts.authored)

    async def add_account(self, **members: object) -> Account:
        account = an_account(**members)
        async with self.identity.open_tx() as tx:
            await tx.accounts.add(account)
        return account

    async def add_post(self, **members: object) -> Post:
        post = a_post(**members)
        async with self.posts.open_tx() as tx:
            await tx.posts.add(post)
        return post

    async def read(self, post_id: PostId, viewer: UserId | None = None) -> PostView:
        row = await self.posts.reader.post(post_id, ViewerContext(viewer))
        assert row is not None
        return row


def an_account(**members: object) -> Account:
    id_ = new_id()
    name = f"user_{id_ >> 16}"
    defaults = {"id": id_, "username": name, "email": f"{name}@example.org", "password_hash": "hash"}
    return Account(**{**defaults, **members})  # type: ignore[arg-type]


def a_post(**members: object) -> Post:
    defaults = {"id": new_id(), "author": new_id(), "text": "hello", "visibility": Visibility.PUBLIC}
    return Post(**{**defaults, **members})  # type: ignore[arg-type]


async def with_retries(act: Callable[[], Awaitable[T]]) -> T:
    """Try again while the store is busy, as a client would. An attempt that raises Unavailable stores nothing."""
    for _ in range(50):
        try:
            return await act()
        except Unavailable:
            continue
    return await act()


@asynccontextmanager
async def memory() -> AsyncIterator[Stores]:
    wake, now = asyncio.Event(), 0.0
    store = Store(wake.set)

    async def pass_time(span: timedelta) -> None:
        nonlocal now
        now += span.total_seconds()

    memory = Memory(
        store=store,
        new_id=new_id,
        now=lambda: datetime.now(UTC) + timedelta(seconds=now),
        monotonic=lambda: now,
    )
    yield Stores(
        identity=memory_identity.stores(memory),
        graph=memory_graph.stores(memory, POPULAR),
        posts=memory_posts.stores(memory),
        feeds=memory_feeds.stores(memory),
        notifications=memory_notifications.stores(memory),
        media=memory_media.stores(memory),
        queue=MemoryOutboxQueue(store, lambda: now),
        pass_time=pass_time,
        wake=wake,
    )


@asynccontextmanager
async def sql(url: str) -> AsyncIterator[Stores]:
    """The stores on a migrated database."""
    wake, now = asyncio.Event(), 0.0
    database = Database.at(url, wake.set)
    await database.open()

    async def pass_time(span: timedelta) -> None:
        nonlocal now
        now += span.total_seconds()
        ms = span // timedelta(milliseconds=1)
        async with database.begin() as transaction:
            for table in (outbox, deliveries):
                await transaction.execute(update(table).values(due_at=table.c.due_at - ms))
                leased = update(table).where(table.c.leased_until > 0)
                await transaction.execute(leased.values(leased_until=table.c.leased_until - ms))
            await transaction.execute(update(tickets).values(expires_at=tickets.c.expires_at - ms))
            await transaction.execute(
                update(mails).values(due_at=mails.c.due_at - ms, leased_until=mails.c.leased_until - ms)
            )
            await transaction.execute(
                update(pending_registrations).values(
                    {
                        name: pending_registrations.c[name] - ms
                        for name in ("due_at", "leased_until", "sent_at")
                    }
                )
            )
            await transaction.execute(
                update(media)
                .where(media.c.attempts > 0)
                .values(due_at=media.c.due_at - ms, leased_until=media.c.leased_until - ms)
            )

    try:
        sql = Sql(
            database=database,
            sealer=SECRETS,
            new_id=new_id,
            monotonic=lambda: time.monotonic() + now,
        )
        yield Stores(
            identity=sql_identity.stores(sql),
            graph=sql_graph.stores(sql, POPULAR),
            posts=sql_posts.stores(sql),
            feeds=sql_feeds.stores(sql),
            notifications=sql_notifications.stores(sql),
            media=sql_media.stores(sql),
            queue=queue_on(database, sql.monotonic),
            pass_time=pass_time,
            wake=wake,
            database=database,
        )
    finally:
        await database.close()


async def empty(url: str) -> None:
    """Delete every row."""
    database = Database.at(url)
    async with database.begin() as transaction:
        for table in reversed(metadata.sorted_tables):
            await transaction.execute(table.delete())
    await database.close()


async def migrated(url: str) -> str:
    database = Database.at(url)  # as `waggle migrate` opens it
    await migrate(database)
    await database.close()
    return url
