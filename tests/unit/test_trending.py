"""Trending posts and hashtags: from the facts that are told to the pages that are read, in memory."""

import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.cache import MemoryCache
from adapters.memory.feeds import MemorySignalsReader, transactions
from adapters.memory.store import Store
from application.feeds.ranking_cache import Ranking, Rankings, codec
from application.feeds.record_signals import BATCH, EraseAccountSignals, RecordEngagement, RecordPostSignals
from application.feeds.trending import (
    HYDRATE_BATCH,
    ListTrendingPosts,
    ListTrendingTags,
    RankPosts,
    RankTags,
    RefreshTrending,
)
from application.feeds.trending_formula import HALF_LIFE_MS, RankedPost, RankedTag
from application.shared.caching import Cached, Codec, Times
from application.shared.events import (
    AccountDeleted,
    Edited,
    Liked,
    PostDeleted,
    Published,
    Reposted,
    Unliked,
    Unreposted,
)
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Page, Window
from domain.shared import EventId, PostId, UserId, ViewerContext

P = TypeVar("P")

START = datetime.fromisoformat("2026-06-01T12:00:00Z")
AUTHOR, OTHER = UserId(1), UserId(2)
CROWD = [UserId(user) for user in range(11, 17)]


@dataclass(frozen=True)
class APost:
    author: UserId
    visibility: str = "public"
    reply_to: PostId | None = None


@dataclass(frozen=True)
class Shown:
    post: APost


@dataclass
class Meadow:
    """Trending over a store in memory, with a clock in hand, and posts that can be looked at."""

    at: datetime = START
    posts: dict[PostId, APost] = field(default_factory=dict)
    hidden: set[UserId] = field(default_factory=set)
    """Whose posts nobody sees but themselves."""
    viewer_context: ViewerContext = field(default_factory=ViewerContext)
    number: int = 0

    def __post_init__(self) -> None:
        store = Store()
        open_tx, reader = transactions(store), MemorySignalsReader(store)
        self.by_mark, self.by_post = RecordEngagement(open_tx), RecordPostSignals(open_tx, self.now)
        self.forget = EraseAccountSignals(open_tx)
        self.reader = reader
        self.cache = MemoryCache(self.seconds)
        self.ranked_posts = self.rankings(codec(1, RankedPost), RankPosts(reader, self.show, self.now))
        self.ranked_tags = self.rankings(codec(1, RankedTag), RankTags(reader, self, self.now))
        self.refresh = RefreshTrending(self.ranked_posts, self.ranked_tags)
        self.list_posts = ListTrendingPosts(self.ranked_posts, self.show, self)
        self.list_tags = ListTrendingTags(self.ranked_tags, self.show)

    def rankings(self, of: Codec[Ranking[P]], make: Callable[[], Awaitable[Sequence[P]]]) -> Rankings[P]:
        name = type(make).__name__
        return Rankings(Cached(name, self.cache, of, Times(60, 600), self.now, lambda: 0.0), make, self.now)

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def later(self, **span: float) -> None:
        self.at += timedelta(**span)

    def new_id(self) -> int:
        self.number += 1
        return (int(self.at.timestamp() * 1000) << 16) + self.number

    async def show(self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]) -> Mapping[int, Shown]:
        return {
            entry.id: Shown(post)
            for entry in entries
            if (post := self.posts.get(entry.post))
            and post.author not in viewer_context.blocked
            and (post.author not in self.hidden or post.author == viewer_context.viewer)
            and (post.visibility in {"public", "unlisted"} or post.author == viewer_context.viewer)
        }

    async def closed(self, users: Collection[UserId]) -> frozenset[UserId]:
        return frozenset(self.hidden & set(users))

    async def of(self, viewer: UserId | None) -> ViewerContext:
        return self.viewer_context

    async def publishes(
        self, author: UserId = AUTHOR, *tags: str, to: PostId | None = None, visibility: str = "public"
    ) -> PostId:
        post = PostId(self.new_id())
        self.posts[post] = APost(author, visibility, to)
        told = Published(post_id=post, author_id=author, reply_to=to, visibility=visibility, hashtags=tags)
        await self.by_post(told, EventId(self.new_id()))
        return post

    async def edits(self, post: PostId, *tags: str) -> None:
        of = self.posts[post]
        told = Edited(post_id=post, author_id=of.author, version=2, visibility=of.visibility, hashtags=tags)
        await self.by_post(told, EventId(self.new_id()))

    async def removes(self, post: PostId) -> None:
        of = self.posts.pop(post)
        told = PostDeleted(post_id=post, author_id=of.author, reply_to=of.reply_to, visibility=of.visibility)
        await self.by_post(told, EventId(self.new_id()))

    async def like(self, post: PostId, *users: UserId) -> None:
        for user in users:
            told = Liked(post_id=post, author_id=self.posts[post].author, user_id=user)
            await self.by_mark(told, EventId(self.new_id()))

    async def popular(
        self, *tags: str, author: UserId = AUTHOR, likes: int = 3, visibility: str = "public"
    ) -> PostId:
        post = await self.publishes(author, *tags, visibility=visibility)
        await self.like(post, *CROWD[:likes])
        return post

    async def trending(self, blocked: Iterable[UserId] = (), muted: Iterable[UserId] = ()) -> list[PostId]:
        """All of it, made anew."""
        await self.forget_rankings()
        self.viewer_context = ViewerContext(UserId(99), blocked=frozenset(blocked), muted=frozenset(muted))
        return self.ids(await self.list_posts(UserId(99), Window(100)))

    async def tags(self) -> list[tuple[str, int, int]]:
        await self.forget_rankings()
        page = await self.list_tags(Window(100))
        return [(ranked.tag, ranked.posts, ranked.accounts) for ranked in page.items]

    async def forget_rankings(self) -> None:
        for kept in (self.ranked_posts.kept, self.ranked_tags.kept):
            await kept.forget("present")

    def ids(self, page: Page[Shown]) -> list[PostId]:
        known = {id(post): post_id for post_id, post in self.posts.items()}
        return [known[id(seen.post)] for seen in page.items]


@pytest.fixture
def meadow() -> Meadow:
    return Meadow()


async def test_what_more_people_care_for_comes_first(meadow: Meadow) -> None:
    few, many = await meadow.popular(likes=3), await meadow.popular(likes=6, author=OTHER)
    await meadow.popular(likes=2)

    assert await meadow.trending() == [many, few]


async def test_what_people_care_for_now_comes_before_what_they_cared_for(meadow: Meadow) -> None:
    earlier = await meadow.popular(likes=5)
    meadow.later(milliseconds=HALF_LIFE_MS)
    now = await meadow.popular(author=OTHER)

    assert await meadow.trending() == [now, earlier]


async def test_nothing_trends_by_votes_that_are_two_days_old(meadow: Meadow) -> None:
    await meadow.popular()
    meadow.later(hours=49)

    assert await meadow.trending() == []


async def test_reposts_and_comments_count_and_what_is_taken_back_does_not(meadow: Meadow) -> None:
    post = await meadow.publishes()
    ann, bob, eve = CROWD[:3]
    comment = await meadow.publishes(ann, to=post)
    told = {"post_id": post, "author_id": AUTHOR, "user_id": bob, "repost_id": 7}
    await meadow.by_mark(Reposted(**told), EventId(meadow.new_id()))
    await meadow.like(post, eve)
    assert await meadow.trending() == [post]

    await meadow.removes(comment)
    assert await meadow.trending() == []
    await meadow.like(post, ann)
    assert await meadow.trending() == [post]

    await meadow.by_mark(Unreposted(**told), EventId(meadow.new_id()))
    assert await meadow.trending() == []
    await meadow.like(post, bob)
    assert await meadow.trending() == [post]

    await meadow.by_mark(Unliked(post_id=post, author_id=AUTHOR, user_id=eve), EventId(meadow.new_id()))
    assert await meadow.trending() == []


async def test_comments_that_not_everybody_sees_are_no_votes(meadow: Meadow) -> None:
    post = await meadow.popular(likes=2)
    await meadow.publishes(CROWD[2], to=post, visibility="direct")
    await meadow.publishes(CROWD[3], to=post, visibility="followers")

    assert await meadow.trending() == []


async def test_an_author_cannot_help_their_own_post(meadow: Meadow) -> None:
    post = await meadow.popular(likes=2)
    await meadow.like(post, AUTHOR)
    await meadow.publishes(AUTHOR, to=post)

    assert await meadow.trending() == []


async def test_only_public_posts_trend_and_no_comments(meadow: Meadow) -> None:
    post = await meadow.popular()
    for visibility in ("unlisted", "followers", "direct"):
        await meadow.popular(visibility=visibility)
    comment = await meadow.publishes(OTHER, to=post)
    await meadow.like(comment, *CROWD)

    assert await meadow.trending() == [post]


async def test_az4_what_is_hidden_after_the_ranking_was_made_is_not_shown(meadow: Meadow) -> None:
    deleted, private, stays = (
        await meadow.popular(),
        await meadow.popular(author=OTHER),
        await meadow.popular(),
    )
    assert set(await meadow.trending()) == {deleted, private, stays}

    del meadow.posts[deleted]
    meadow.hidden.add(OTHER)

    assert meadow.ids(await meadow.list_posts(None, Window(100))) == [stays]


async def test_blocked_and_muted_people_are_left_out_for_the_viewer(meadow: Meadow) -> None:
    hers, his = await meadow.popular(author=AUTHOR), await meadow.popular(author=OTHER)

    assert await meadow.trending(blocked=[AUTHOR]) == [his]
    assert await meadow.trending(muted=[OTHER]) == [hers]
    assert set(await meadow.trending()) == {hers, his}


async def test_a_page_is_full_although_much_is_hidden(meadow: Meadow) -> None:
    authors = [UserId(user) for user in range(1000, 1040)]
    posts = [await meadow.popular(author=author) for author in authors]
    muted = frozenset(authors[10:])
    meadow.viewer_context = ViewerContext(UserId(99), muted=muted)

    first = await meadow.list_posts(UserId(99), Window(6))
    assert first.next
    second = await meadow.list_posts(UserId(99), first.next)

    assert [*meadow.ids(first), *meadow.ids(second)] == posts[9::-1]
    assert (len(first.items), len(second.items), second.next) == (6, 4, None)


async def test_a_short_page_looks_through_many_hidden_posts_in_few_steps(meadow: Meadow) -> None:
    authors = [UserId(user) for user in range(1000, 1150)]
    posts = [await meadow.popular(author=author) for author in authors]
    await meadow.refresh()
    meadow.viewer_context = ViewerContext(UserId(99), blocked=frozenset(authors[1:]))
    looks = 0

    async def show(viewer_context: ViewerContext, entries: Sequence[FeedEntry]) -> Mapping[int, Shown]:
        nonlocal looks
        looks += 1
        return await meadow.show(viewer_context, entries)

    page = await replace(meadow.list_posts, hydrate=show)(UserId(99), Window(1))

    assert meadow.ids(page) == [posts[0]]
    assert looks <= 1 + math.ceil(len(posts) / HYDRATE_BATCH)


@given(st.integers(0, 25), st.integers(1, 9), st.sets(st.integers(0, 24)))
async def test_pages_forth_and_back_hold_each_post_once(count: int, limit: int, gone: set[int]) -> None:
    meadow = Meadow()
    posts = [await meadow.popular(author=UserId(1000 + number)) for number in range(count)]
    await meadow.refresh()
    for number in gone & set(range(count)):
        del meadow.posts[posts[number]]
    expected = [post for post in reversed(posts) if post in meadow.posts]

    page = await meadow.list_posts(None, Window(limit))
    forth = [meadow.ids(page)]
    while page.next:
        page = await meadow.list_posts(None, page.next)
        forth.append(meadow.ids(page))
    back = [forth[-1]]
    while page.prev:
        page = await meadow.list_posts(None, page.prev)
        back.insert(0, meadow.ids(page))

    assert [post for some in forth for post in some] == expected
    assert [post for some in back for post in some] == expected
    assert all(len(some) == limit for some in forth[:-1])


async def test_a_reader_goes_on_in_the_ranking_in_which_they_began(meadow: Meadow) -> None:
    posts = [await meadow.popular(author=UserId(1000 + number)) for number in range(6)]
    first = await meadow.list_posts(None, Window(3))
    meadow.later(seconds=61)
    for post in posts[:3]:
        await meadow.like(post, *CROWD)
    await meadow.refresh()

    assert first.next
    second = await meadow.list_posts(None, first.next)

    assert [*meadow.ids(first), *meadow.ids(second)] == posts[::-1]
    assert set(meadow.ids(await meadow.list_posts(None, Window(3)))) == set(posts[:3])


async def test_where_that_ranking_is_gone_they_go_on_at_the_same_rank(meadow: Meadow) -> None:
    posts = [await meadow.popular(author=UserId(1000 + number)) for number in range(6)]
    first = await meadow.list_posts(None, Window(4))
    meadow.later(hours=1)
    await meadow.removes(posts[0])

    assert first.next
    second = await meadow.list_posts(None, first.next)
    third = await meadow.list_posts(None, Window(9, 900))

    assert meadow.ids(second) == [posts[1]]
    assert (list(third.items), third.next) == ([], None)


async def test_a_fresh_ranking_is_not_made_again(meadow: Meadow) -> None:
    post = await meadow.popular()
    await meadow.refresh()
    meadow.later(seconds=30)
    other = await meadow.popular(author=OTHER)
    await meadow.refresh()
    before = meadow.ids(await meadow.list_posts(None, Window(9)))
    meadow.later(seconds=31)
    await meadow.refresh()

    assert (before, meadow.ids(await meadow.list_posts(None, Window(9)))) == ([post], [other, post])


async def test_di7_what_a_deleted_account_voted_for_is_gone(meadow: Meadow) -> None:
    posts = [await meadow.popular("bees", author=UserId(1000 + number)) for number in range(BATCH // 2)]
    gone = CROWD[0]
    for post in posts:
        await meadow.publishes(gone, "bees", to=post)

    for _ in range(2):
        await meadow.forget(AccountDeleted(user_id=gone), EventId(meadow.new_id()))

    signals = await meadow.reader.signals(0, None, 10_000)
    tags = await meadow.reader.hashtag_signals(0, None, 10_000)
    assert {signal.user for signal in signals} == set(CROWD[1:3])
    assert gone not in {signal.user for signal in tags}


async def test_facts_that_are_told_twice_count_once(meadow: Meadow) -> None:
    post = PostId(meadow.new_id())
    meadow.posts[post] = APost(AUTHOR)
    published = Published(
        post_id=post, author_id=AUTHOR, reply_to=None, visibility="public", hashtags=("bees",)
    )
    liked = Liked(post_id=post, author_id=AUTHOR, user_id=CROWD[0])
    for _ in range(3):
        await meadow.by_post(published, EventId(1 << 60))
        await meadow.by_mark(liked, EventId(1 << 60))

    assert len(await meadow.reader.signals(0, None, 10)) == 1
    assert len(await meadow.reader.hashtag_signals(0, None, 10)) == 1


async def test_hashtags_trend_by_the_public_posts_of_several_accounts(meadow: Meadow) -> None:
    for author, tags in ((1, ("bees", "wax")), (2, ("bees", "honey")), (3, ("bees", "honey")), (1, ("wax",))):
        await meadow.publishes(UserId(author), *tags)
    for author in (1, 2, 3):
        await meadow.publishes(UserId(author), "secret", visibility="unlisted")

    assert await meadow.tags() == [("bees", 3, 3), ("honey", 2, 2)]


async def test_a_hashtag_goes_with_its_posts(meadow: Meadow) -> None:
    posts = [await meadow.publishes(UserId(author), "bees", "wax") for author in (1, 2)]
    assert sorted(await meadow.tags()) == [("bees", 2, 2), ("wax", 2, 2)]

    await meadow.edits(posts[0], "bees", "honey")
    assert await meadow.tags() == [("bees", 2, 2)]

    await meadow.edits(posts[1], "honey", "bees")
    assert sorted(await meadow.tags()) == [("bees", 2, 2), ("honey", 2, 2)]

    await meadow.removes(posts[1])
    assert await meadow.tags() == []


async def test_az4_a_hashtag_is_gone_at_once_when_nobody_may_see_its_posts(meadow: Meadow) -> None:
    posts = [await meadow.publishes(UserId(author), tag) for tag in ("bees", "wax") for author in (1, 2)]
    await meadow.publishes(UserId(3), "wax")
    assert sorted(await meadow.tags()) == [("bees", 2, 2), ("wax", 3, 3)]

    meadow.hidden.add(UserId(2))
    assert [ranked.tag for ranked in (await meadow.list_tags(Window(9))).items] == ["wax"]

    del meadow.posts[posts[2]]
    assert [ranked.tag for ranked in (await meadow.list_tags(Window(9))).items] == []


async def test_private_accounts_are_not_counted_among_those_who_use_a_hashtag(meadow: Meadow) -> None:
    for author in (1, 2, 3):
        await meadow.publishes(UserId(author), "bees")
    meadow.hidden.add(UserId(3))

    assert await meadow.tags() == [("bees", 2, 2)]


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"[1]", b"{}", b"[1,[[1]]]", b"[1,[[1,2,3,4]]]", b"[null,[]]", b"\xff", b"[1,[7]]"]
)
def test_re11_garbage_is_no_ranking(raw: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        codec(1, RankedPost).load(raw)


def test_a_ranking_of_hashtags_comes_back_as_it_was_kept() -> None:
    of = codec(1, RankedTag)
    ranking = Ranking(5, [RankedTag("straße", 3, 2, 1.25, (PostId(2**62), PostId(7)))])

    assert of.load(of.dump(ranking)) == ranking
