"""A small world whose feeds are read: stores in memory, who follows whom in a dictionary, and a model."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from application.feeds.event_handlers import DropTimeline, FanOut
from application.feeds.home import GatherHome, ReadHomeFeed
from application.feeds.pipeline import ReadPage
from application.feeds.ports import Timelines
from application.feeds.read_feeds import ReadHashtagFeed, ReadPublicFeed, ReadUserFeed
from application.posts.views import PostView
from application.shared.events import Published, Reposted
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Page, Window
from domain.posts import Engagement, Post, Visibility, can_view, hashtag
from domain.shared import EventId, PostId, UserId, ViewerContext, made_at
from tests.port_contracts.stores import Stores, new_id


@dataclass(frozen=True)
class Seen:
    """What is shown of an entry."""

    post: PostView
    reposted_by: UserId | None


@dataclass
class World:
    stores: Stores
    timelines: Timelines
    users: Sequence[UserId]
    follows: defaultdict[UserId, set[UserId]] = field(default_factory=lambda: defaultdict(set))
    blocks: defaultdict[UserId, set[UserId]] = field(default_factory=lambda: defaultdict(set))
    mutes: defaultdict[UserId, set[UserId]] = field(default_factory=lambda: defaultdict(set))
    versions: defaultdict[UserId, int] = field(default_factory=lambda: defaultdict(int))
    crowds: set[UserId] = field(default_factory=set)
    posts: dict[PostId, Post] = field(default_factory=dict)
    reposts: dict[tuple[PostId, UserId], int] = field(default_factory=dict)
    watching: dict[UserId, list[list[PostId]]] = field(default_factory=dict)
    """Who has the home feed in sight, and what came there first whenever there was something new."""
    late: list[Published | Reposted] = field(default_factory=list)
    """Facts that have not been delivered."""
    clock: int = 0
    hydrated: int = 0

    def __post_init__(self) -> None:
        read_page: ReadPage[Seen] = ReadPage(
            self.show, lambda: made_at(new_id()) + timedelta(seconds=self.clock)
        )
        entries = self.stores.entries
        self.home = ReadHomeFeed(self, GatherHome(self.timelines, entries, self), entries, read_page)
        self.public = ReadPublicFeed(self, entries, read_page)
        self.tagged = ReadHashtagFeed(hashtag, self, entries, read_page)
        self.user = ReadUserFeed(self, entries, self, read_page)
        self.fan_out, self.drop = FanOut(self.timelines, self, self), DropTimeline(self.timelines)

    # What other modules answer.

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

    async def show(self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]) -> Mapping[int, Seen]:
        self.hydrated += len(entries)
        rows = await self.stores.posts.by_ids({entry.post for entry in entries}, viewer_context)
        return {
            entry.id: Seen(rows[entry.post], entry.by if entry.is_repost else None)
            for entry in entries
            if entry.post in rows
        }

    async def followers_of(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        return sorted(user for user in self.users if author in self.follows[user] and user > after)[:limit]

    async def is_popular(self, author: UserId) -> bool:
        return author in self.crowds

    async def popular(self) -> Collection[UserId]:
        return self.crowds

    async def notify_new_posts(self, readers: Collection[UserId]) -> None:
        for reader in readers:
            if reader in self.watching:  # who is alerted looks at once
                self.watching[reader].append(ids_of(await self.home(reader, Window(1))))

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, str]:
        return {id_: "somebody" for id_ in ids if id_ in self.users}

    # What people do.

    async def says(self, author: UserId, *, told: bool = True, **members: object) -> Post:
        post = await self.stores.add_post(author=author, **members)
        self.posts[post.id] = post
        await self.tell(
            Published(
                post_id=post.id,
                author_id=author,
                reply_to=post.reply_to,
                visibility=post.visibility,
            ),
            told=told,
        )
        return post

    async def repost(self, user: UserId, post: PostId, *, told: bool = True) -> int:
        if (post, user) in self.reposts:
            return self.reposts[post, user]
        engagement = new_id()
        async with self.stores.open_posts() as tx:
            await tx.posts.get(post)
            await tx.engagements.add(Engagement.REPOST, post, user, engagement)
        self.reposts[post, user] = engagement
        author = self.posts[post].author
        await self.tell(
            Reposted(post_id=post, author_id=author, user_id=user, repost_id=engagement), told=told
        )
        return engagement

    async def unrepost(self, user: UserId, post: PostId) -> None:
        async with self.stores.open_posts() as tx:
            await tx.posts.get(post)
            await tx.engagements.remove(Engagement.REPOST, post, user)
        self.reposts.pop((post, user), None)

    async def delete(self, post: PostId) -> None:
        async with self.stores.open_posts() as tx:
            stored = await tx.posts.get(post)
            if not stored.deleted:
                await tx.posts.save(stored.removed(by=stored.author))
        self.posts.pop(post, None)

    async def tell(self, fact: Published | Reposted, *, told: bool = True) -> None:
        if told:
            await self.fan_out(fact, EventId(1))
        else:
            self.late.append(fact)

    async def catch_up(self) -> None:
        while self.late:  # in another order than they happened
            await self.fan_out(self.late.pop(), EventId(1))

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

    # What is read, and what it should be.

    async def whole(self, reader: UserId, limit: int = 3) -> list[tuple[int, PostId, UserId | None]]:
        """The home feed from its first page to its last: an id, the post, and who reposted it."""
        found: list[Seen] = []
        window: Window | None = Window(limit)
        while window is not None:
            page = await self.home(reader, window)
            assert len(page.items) == limit or page.next is None, "a short page is the last"
            found += page.items
            window = page.next
        return [self.line(seen) for seen in found]

    def line(self, seen: Seen) -> tuple[int, PostId, UserId | None]:
        post = seen.post.id
        by = seen.reposted_by
        return (post if by is None else self.reposts.get((post, by), -1)), post, by

    async def expected(self, reader: UserId) -> list[tuple[int, PostId, UserId | None]]:
        """The home feed, made anew of everything that there is."""
        viewer_context = await self.of(reader)
        sources = (self.follows[reader] - self.mutes[reader]) | {reader}
        lines: list[tuple[int, PostId, UserId | None]] = []
        for post in self.posts.values():
            if not can_view(post, viewer_context) or post.author in self.mutes[reader]:
                continue
            if post.author in sources and post.reply_to is None:
                lines.append((post.id, post.id, None))
            else:
                lines += sorted(
                    (id_, on, by) for (on, by), id_ in self.reposts.items() if on == post.id and by in sources
                )[:1]
        return sorted(lines, reverse=True)


VISIBILITIES = [*Visibility]


def ids_of(page: Page[Seen]) -> list[PostId]:
    return [seen.post.id for seen in page.items]
