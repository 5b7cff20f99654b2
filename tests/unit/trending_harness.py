"""The use cases of trending over a store in memory, with a clock and posts under control of the test."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from adapters.memory.cache import MemoryCache
from adapters.memory.feeds.signals import MemorySignalsReader, transactions
from adapters.memory.store import Store
from adapters.packed_cache import PackedCache
from application.feeds.ranking_cache import Ranking, Rankings, codec
from application.feeds.record_signals import EraseAccountSignals, RecordEngagement, RecordPostSignals
from application.feeds.trending import (
    ListTrendingPosts,
    ListTrendingTags,
    RankPosts,
    RankTags,
    RefreshTrending,
)
from application.feeds.trending_formula import RankedPost, RankedTag
from application.shared.caching import Cached, Codec, Times
from application.shared.events import (
    Edited,
    Liked,
    PostDeleted,
    Published,
)
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Page, Window
from domain.shared import EventId, PostId, UserId, ViewerContext

P = TypeVar("P")

START = datetime.fromisoformat("2026-06-01T12:00:00Z")
AUTHOR, OTHER = UserId(1), UserId(2)
ACCOUNTS = [UserId(user) for user in range(11, 17)]


@dataclass(frozen=True)
class StoredPost:
    author: UserId
    visibility: str = "public"
    reply_to: PostId | None = None


@dataclass(frozen=True)
class ShownPost:
    post: StoredPost


@dataclass
class TrendingHarness:
    """Trending over a store in memory. The test sets the clock and which posts are visible."""

    at: datetime = START
    posts: dict[PostId, StoredPost] = field(default_factory=dict)
    hidden: set[UserId] = field(default_factory=set)
    """Accounts whose posts only they themselves can see."""
    viewer_context: ViewerContext = field(default_factory=ViewerContext)
    number: int = 0

    def __post_init__(self) -> None:
        store = Store()
        open_tx, reader = transactions(store), MemorySignalsReader(store)
        self.record_engagement, self.record_post_signals = (
            RecordEngagement(open_tx),
            RecordPostSignals(open_tx, self.now),
        )
        self.erase_account = EraseAccountSignals(open_tx)
        self.reader = reader
        self.cache = MemoryCache(self.seconds)
        self.ranked_posts = self.rankings(codec(1, RankedPost), RankPosts(reader, self.show, self.now))
        self.ranked_tags = self.rankings(codec(1, RankedTag), RankTags(reader, self, self.now))
        self.refresh = RefreshTrending(self.ranked_posts, self.ranked_tags)
        self.list_posts = ListTrendingPosts(self.ranked_posts, self.show, self)
        self.list_tags = ListTrendingTags(self.ranked_tags, self.show)

    def rankings(self, of: Codec[Ranking[P]], make: Callable[[], Awaitable[Sequence[P]]]) -> Rankings[P]:
        name = type(make).__name__
        return Rankings(
            Cached(name, PackedCache(self.cache), of, Times(60, 600), self.now, lambda: 0.0), make, self.now
        )

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def later(self, **span: float) -> None:
        self.at += timedelta(**span)

    def new_id(self) -> int:
        self.number += 1
        return (int(self.at.timestamp() * 1000) << 16) + self.number

    async def show(
        self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]
    ) -> Mapping[int, ShownPost]:
        return {
            entry.id: ShownPost(post)
            for entry in entries
            if (post := self.posts.get(entry.post))
            and post.author not in viewer_context.blocked
            and (post.author not in self.hidden or post.author == viewer_context.viewer)
            and (post.visibility in {"public", "unlisted"} or post.author == viewer_context.viewer)
        }

    async def restricted(self, users: Collection[UserId]) -> frozenset[UserId]:
        return frozenset(self.hidden & set(users))

    async def of(self, viewer: UserId | None) -> ViewerContext:
        return self.viewer_context

    async def publish(
        self,
        author: UserId = AUTHOR,
        *trending_tags: str,
        to: PostId | None = None,
        visibility: str = "public",
    ) -> PostId:
        post = PostId(self.new_id())
        self.posts[post] = StoredPost(author, visibility, to)
        event = Published(
            post_id=post, author_id=author, reply_to=to, visibility=visibility, hashtags=trending_tags
        )
        await self.record_post_signals(event, EventId(self.new_id()))
        return post

    async def edit(self, post: PostId, *trending_tags: str) -> None:
        of = self.posts[post]
        event = Edited(
            post_id=post, author_id=of.author, version=2, visibility=of.visibility, hashtags=trending_tags
        )
        await self.record_post_signals(event, EventId(self.new_id()))

    async def delete(self, post: PostId) -> None:
        of = self.posts.pop(post)
        event = PostDeleted(post_id=post, author_id=of.author, reply_to=of.reply_to, visibility=of.visibility)
        await self.record_post_signals(event, EventId(self.new_id()))

    async def like(self, post: PostId, *users: UserId) -> None:
        for user in users:
            event = Liked(post_id=post, author_id=self.posts[post].author, user_id=user)
            await self.record_engagement(event, EventId(self.new_id()))

    async def popular(
        self, *trending_tags: str, author: UserId = AUTHOR, likes: int = 3, visibility: str = "public"
    ) -> PostId:
        post = await self.publish(author, *trending_tags, visibility=visibility)
        await self.like(post, *ACCOUNTS[:likes])
        return post

    async def trending_posts(
        self, blocked: Iterable[UserId] = (), muted: Iterable[UserId] = ()
    ) -> list[PostId]:
        """All trending posts, freshly ranked."""
        await self.expire_rankings()
        self.viewer_context = ViewerContext(UserId(99), blocked=frozenset(blocked), muted=frozenset(muted))
        return self.ids(await self.list_posts(UserId(99), Window(100)))

    async def trending_tags(self) -> list[tuple[str, int, int]]:
        await self.expire_rankings()
        page = await self.list_tags(Window(100))
        return [(ranked.tag, ranked.posts, ranked.accounts) for ranked in page.items]

    async def expire_rankings(self) -> None:
        for kept in (self.ranked_posts.kept, self.ranked_tags.kept):
            await kept.forget("current")

    def ids(self, page: Page[ShownPost]) -> list[PostId]:
        known = {id(post): post_id for post_id, post in self.posts.items()}
        return [known[id(seen.post)] for seen in page.items]
