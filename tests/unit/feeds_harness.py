"""The use cases of feeds over stores in memory, with follows in dictionaries and a reference for the home feed."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from adapters.memory.feeds.timelines import MemoryTimelines, NoTimelines
from application.feeds.event_handlers import DropTimeline, FanOut
from application.feeds.home import GatherHome, ReadHomeFeed
from application.feeds.pipeline import ReadPage
from application.feeds.ports import Timelines
from application.feeds.read_feeds import ReadHashtagFeed, ReadPublicFeed, ReadUserFeed
from application.posts.views import PostView
from application.shared.events import Published, Reposted
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Page, Window
from application.shared.people import AuthorCard
from domain.posts import Engagement, Post, Visibility, can_view, hashtag
from domain.shared import EventId, PostId, UserId, ViewerContext, made_at
from tests.port_contracts.stores import Stores, new_id


@dataclass(frozen=True)
class ShownPost:
    """A post as the reader sees it."""

    post: PostView
    reposted_by: UserId | None


@dataclass
class FeedsHarness:
    stores: Stores
    timelines: Timelines
    users: Sequence[UserId]
    follows: defaultdict[UserId, set[UserId]] = field(default_factory=lambda: defaultdict(set))
    blocks: defaultdict[UserId, set[UserId]] = field(default_factory=lambda: defaultdict(set))
    mutes: defaultdict[UserId, set[UserId]] = field(default_factory=lambda: defaultdict(set))
    versions: defaultdict[UserId, int] = field(default_factory=lambda: defaultdict(int))
    popular_accounts: set[UserId] = field(default_factory=set)
    posts: dict[PostId, Post] = field(default_factory=dict)
    reposts: dict[tuple[PostId, UserId], int] = field(default_factory=dict)
    home_clients: dict[UserId, list[list[PostId]]] = field(default_factory=dict)
    """Readers whose clients show the home feed, and what each got when it read the newest post on being notified."""
    undelivered: list[Published | Reposted] = field(default_factory=list)
    """Events that have not been delivered."""
    clock: int = 0
    hydrated: int = 0

    def __post_init__(self) -> None:
        read_page: ReadPage[ShownPost] = ReadPage(
            self.show, lambda: made_at(new_id()) + timedelta(seconds=self.clock)
        )
        entries = self.stores.posts.feed_entries
        self.home = ReadHomeFeed(self, GatherHome(self.timelines, entries, self), entries, read_page)
        self.public = ReadPublicFeed(self, entries, read_page)
        self.tagged = ReadHashtagFeed(hashtag, self, entries, read_page)
        self.user = ReadUserFeed(self, entries, self, read_page)
        self.fan_out, self.drop_timeline = FanOut(self.timelines, self, self), DropTimeline(self.timelines)

    # The answers of other modules.

    async def of(self, viewer: UserId | None) -> ViewerContext:
        if viewer is None:
            return ViewerContext()
        blocked = self.blocks[viewer] | {user for user in self.users if viewer in self.blocks[user]}
        return ViewerContext(
            viewer,
            frozenset(self.follows[viewer]),
            frozenset(blocked),
            frozenset(self.mutes[viewer]),
            self.versions[viewer],
        )

    async def show(
        self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]
    ) -> Mapping[int, ShownPost]:
        self.hydrated += len(entries)
        rows = await self.stores.posts.reader.by_ids({entry.post for entry in entries}, viewer_context)
        return {
            entry.id: ShownPost(rows[entry.post], entry.by if entry.is_repost else None)
            for entry in entries
            if entry.post in rows
        }

    async def after(self, author: UserId, last: UserId, limit: int) -> Sequence[UserId]:
        return sorted(user for user in self.users if author in self.follows[user] and user > last)[:limit]

    async def is_popular(self, author: UserId) -> bool:
        return author in self.popular_accounts

    async def popular(self) -> Collection[UserId]:
        return self.popular_accounts

    async def notify_new_posts(self, readers: Collection[UserId]) -> None:
        for reader in readers:
            if reader in self.home_clients:  # a notified client reads at once
                self.home_clients[reader].append(ids_of(await self.home(reader, Window(1))))

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        return {id_: AuthorCard(id_, "somebody", "") for id_ in ids if id_ in self.users}

    # Actions of users.

    async def publish(self, author: UserId, *, delivered: bool = True, **members: object) -> Post:
        post = await self.stores.add_post(author=author, **members)
        self.posts[post.id] = post
        await self._deliver(
            Published(
                post_id=post.id,
                author_id=author,
                reply_to=post.reply_to,
                visibility=post.visibility,
            ),
            delivered=delivered,
        )
        return post

    async def repost(self, user: UserId, post: PostId, *, delivered: bool = True) -> int:
        if (post, user) in self.reposts:
            return self.reposts[post, user]
        engagement = new_id()
        async with self.stores.posts.open_tx() as tx:
            await tx.posts.get(post)
            await tx.engagements.add(Engagement.REPOST, post, user, engagement)
        self.reposts[post, user] = engagement
        author = self.posts[post].author
        await self._deliver(
            Reposted(post_id=post, author_id=author, user_id=user, repost_id=engagement), delivered=delivered
        )
        return engagement

    async def unrepost(self, user: UserId, post: PostId) -> None:
        async with self.stores.posts.open_tx() as tx:
            await tx.posts.get(post)
            await tx.engagements.remove(Engagement.REPOST, post, user)
        self.reposts.pop((post, user), None)

    async def delete(self, post: PostId) -> None:
        async with self.stores.posts.open_tx() as tx:
            stored = await tx.posts.get(post)
            if not stored.deleted:
                await tx.posts.save(stored.removed(by=stored.author))
        self.posts.pop(post, None)

    async def _deliver(self, event: Published | Reposted, *, delivered: bool = True) -> None:
        if delivered:
            await self.fan_out(event, EventId(1))
        else:
            self.undelivered.append(event)

    async def deliver_late(self) -> None:
        while self.undelivered:  # not in the order in which they happened
            await self.fan_out(self.undelivered.pop(), EventId(1))

    def changes(self, user: UserId) -> None:
        self.versions[user] += 1

    def follow(self, user: UserId, other: UserId, *, on: bool = True) -> None:
        if other not in self.blocks[user] and user not in self.blocks[other] and user != other:
            (self.follows[user].add if on else self.follows[user].discard)(other)
            self.changes(user)

    def block(self, user: UserId, other: UserId, *, on: bool = True) -> None:
        if user != other:
            (self.blocks[user].add if on else self.blocks[user].discard)(other)
            self.follows[user].discard(other)
            self.follows[other].discard(user)
            self.changes(user)
            self.changes(other)

    # Results and the reference for them.

    async def read_all(self, reader: UserId, limit: int = 3) -> list[tuple[int, PostId, UserId | None]]:
        """The home feed from its first page to its last: entry id, post, and the account that reposted it."""
        found: list[ShownPost] = []
        window: Window | None = Window(limit)
        while window is not None:
            page = await self.home(reader, window)
            assert len(page.items) == limit or page.next is None, "a short page is the last"
            found += page.items
            window = page.next
        return [self.entry_of(seen) for seen in found]

    def entry_of(self, seen: ShownPost) -> tuple[int, PostId, UserId | None]:
        post = seen.post.id
        by = seen.reposted_by
        return (post if by is None else self.reposts.get((post, by), -1)), post, by

    async def expected_home(self, reader: UserId) -> list[tuple[int, PostId, UserId | None]]:
        """The home feed, computed from all stored posts and reposts."""
        viewer_context = await self.of(reader)
        sources = (self.follows[reader] - self.mutes[reader]) | {reader}
        entries_shown: list[tuple[int, PostId, UserId | None]] = []
        for post in self.posts.values():
            if not can_view(post, viewer_context) or post.author in self.mutes[reader]:
                continue
            if post.author in sources and post.reply_to is None:
                entries_shown.append((post.id, post.id, None))
            else:
                entries_shown += sorted(
                    (id_, on, by) for (on, by), id_ in self.reposts.items() if on == post.id and by in sources
                )[:1]
        return sorted(entries_shown, reverse=True)


VISIBILITIES = [*Visibility]
TIMELINES: dict[str, Callable[[], Timelines]] = {
    "warm": MemoryTimelines,
    "crowded": lambda: MemoryTimelines(readers=2),
    "absent": NoTimelines,
}
"""The home feed is the same with each of them."""


def users(count: int) -> Sequence[UserId]:
    return [UserId(new_id()) for _ in range(count)]


def ids_of(page: Page[ShownPost]) -> list[PostId]:
    return [seen.post.id for seen in page.items]
