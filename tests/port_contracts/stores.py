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

from adapters.bridges import AuthorshipOfPosts
from adapters.memory import feeds as memory_feeds
from adapters.memory import graph as memory_graph
from adapters.memory import identity as memory_identity
from adapters.memory import media as memory_media
from adapters.memory import notifications as memory_notifications
from adapters.memory import posts as memory_posts
from adapters.memory.outbox import MemoryOutboxQueue
from adapters.memory.store import Store
from adapters.security.sealing import Secrets
from adapters.sql import feeds as sql_feeds
from adapters.sql import graph as sql_graph
from adapters.sql import identity as sql_identity
from adapters.sql import media as sql_media
from adapters.sql import notifications as sql_notifications
from adapters.sql import posts as sql_posts
from adapters.sql.database import Database
from adapters.sql.deliveries import queue_on
from adapters.sql.identity.tables import pending_registrations
from adapters.sql.media.tables import media
from adapters.sql.metadata import metadata
from adapters.sql.migrate import migrate
from adapters.sql.notifications.tables import mails, tickets
from adapters.sql.outbox import deliveries, outbox
from application.feeds.ports import Candidates
from application.feeds.signals import AccountVisibility, SignalsReader, SignalsTx
from application.graph.ports import GraphCounters, GraphReader, GraphTx
from application.identity.ports import Authorship, ConfirmationQueue, IdentityReader, IdentityTx, KeyStore
from application.identity.searching import PeopleSearch
from application.identity.security import SecurityEvents
from application.media.ports import MediaReader, MediaTx, ProcessingQueue
from application.notifications.ports import MailQueue, NotificationsTx, StreamReader, StreamTickets
from application.posts.ports import Counters, EngagementsReader, PostsReader, PostsTx
from application.posts.presenting import PostPartsReader
from application.posts.searching import PostSearch
from application.posts.views import PostView
from application.shared.deliveries import OutboxQueue
from application.shared.ports import NewId, OpenTx
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


@dataclass(frozen=True, slots=True)
class Stores:
    open_identity: OpenTx[IdentityTx]
    open_posts: OpenTx[PostsTx]
    people: IdentityReader
    posts: PostsReader
    parts: PostPartsReader
    engagements: EngagementsReader
    entries: Candidates
    counters: Counters
    authorship: Authorship
    queue: OutboxQueue
    keys: KeyStore
    security: SecurityEvents
    search: PostSearch
    people_search: PeopleSearch
    open_signals: OpenTx[SignalsTx]
    signals: SignalsReader
    accounts: AccountVisibility
    open_graph: OpenTx[GraphTx]
    graph: GraphReader
    graph_counters: GraphCounters
    open_notifications: OpenTx[NotificationsTx]
    streams: StreamReader
    tickets: StreamTickets
    mail_queue: MailQueue
    confirmations: ConfirmationQueue
    open_media: OpenTx[MediaTx]
    media: MediaReader
    jobs: ProcessingQueue
    pass_time: Callable[[timedelta], Awaitable[None]]
    """Advances the time of leases, retries, tickets and due mails."""
    wake: asyncio.Event
    """Set after each commit, for the relay."""
    database: Database | None = None

    async def add_account(self, **members: object) -> Account:
        account = an_account(**members)
        async with self.open_identity() as tx:
            await tx.accounts.add(account)
        return account

    async def add_post(self, **members: object) -> Post:
        post = a_post(**members)
        async with self.open_posts() as tx:
            await tx.posts.add(post)
        return post

    async def read(self, post_id: PostId, viewer: UserId | None = None) -> PostView:
        row = await self.posts.post(post_id, ViewerContext(viewer))
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

    yield Stores(
        memory_identity.transactions(store, new_id),
        memory_posts.transactions(store, new_id),
        memory_identity.MemoryIdentityReader(store),
        memory_posts.MemoryPostsReader(store),
        memory_posts.MemoryPostParts(store),
        memory_posts.MemoryEngagementsReader(store),
        memory_posts.MemoryEntries(store),
        memory_posts.MemoryCounters(store),
        AuthorshipOfPosts(memory_posts.MemoryAuthored(store)),
        MemoryOutboxQueue(store, lambda: now),
        memory_identity.MemoryKeyStore(store),
        memory_identity.MemorySecurityEvents(store),
        memory_posts.MemorySearch(store),
        memory_identity.MemoryPeopleSearch(store),
        memory_feeds.transactions(store),
        memory_feeds.MemorySignalsReader(store),
        memory_posts.MemoryClosedAuthors(store),
        memory_graph.transactions(store, new_id, POPULAR),
        memory_graph.MemoryGraphReader(store),
        memory_graph.MemoryGraphCounters(store),
        memory_notifications.transactions(store, new_id),
        memory_notifications.MemoryStreamReader(store),
        memory_notifications.MemoryStreamTickets(store, lambda: now),
        memory_notifications.MemoryMailQueue(
            store, lambda: datetime.now(UTC) + timedelta(seconds=now), lambda: now
        ),
        memory_identity.MemoryConfirmationQueue(
            store, lambda: datetime.now(UTC) + timedelta(seconds=now), lambda: now
        ),
        memory_media.transactions(store, new_id, lambda: datetime.now(UTC)),
        memory_media.MemoryMediaReader(store),
        memory_media.MemoryProcessingQueue(store, lambda: now),
        pass_time,
        wake,
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
        async with database.begin() as connection:
            for table in (outbox, deliveries):
                await connection.execute(update(table).values(due_at=table.c.due_at - ms))
                leased = update(table).where(table.c.leased_until > 0)
                await connection.execute(leased.values(leased_until=table.c.leased_until - ms))
            await connection.execute(update(tickets).values(expires_at=tickets.c.expires_at - ms))
            await connection.execute(
                update(mails).values(due_at=mails.c.due_at - ms, leased_until=mails.c.leased_until - ms)
            )
            await connection.execute(
                update(pending_registrations).values(
                    {
                        name: pending_registrations.c[name] - ms
                        for name in ("due_at", "leased_until", "sent_at")
                    }
                )
            )
            await connection.execute(
                update(media)
                .where(media.c.attempts > 0)
                .values(due_at=media.c.due_at - ms, leased_until=media.c.leased_until - ms)
            )

    try:
        yield Stores(
            sql_identity.transactions(database, SECRETS, new_id),
            sql_posts.transactions(database, new_id),
            sql_identity.SqlIdentityReader(database, SECRETS),
            sql_posts.SqlPostsReader(database),
            sql_posts.SqlPostParts(database),
            sql_posts.SqlEngagementsReader(database),
            sql_posts.SqlEntries(database),
            sql_posts.SqlCounters(database),
            AuthorshipOfPosts(sql_posts.SqlAuthored(database)),
            queue_on(database, lambda: time.monotonic() + now),
            sql_identity.SqlKeyStore(database),
            sql_identity.SqlSecurityEvents(database),
            sql_posts.SqlSearch(database),
            sql_identity.SqlPeopleSearch(database),
            sql_feeds.transactions(database),
            sql_feeds.SqlSignalsReader(database),
            sql_posts.SqlClosedAuthors(database),
            sql_graph.transactions(database, new_id, POPULAR),
            sql_graph.SqlGraphReader(database),
            sql_graph.SqlGraphCounters(database),
            sql_notifications.transactions(database, new_id),
            sql_notifications.SqlStreamReader(database),
            sql_notifications.SqlStreamTickets(database),
            sql_notifications.SqlMailQueue(database),
            sql_identity.SqlConfirmationQueue(database, SECRETS),
            sql_media.transactions(database, new_id),
            sql_media.SqlMediaReader(database),
            sql_media.SqlProcessingQueue(database),
            pass_time,
            wake,
            database,
        )
    finally:
        await database.close()


async def empty(url: str) -> None:
    """Delete every row."""
    database = Database.at(url)
    async with database.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(table.delete())
    await database.close()


async def migrated(url: str) -> str:
    database = Database.at(url, command_timeout=None)  # as `waggle migrate` opens it
    await migrate(database)
    await database.close()
    return url
