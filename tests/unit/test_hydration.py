"""Hydration the posts of feed entries, and the cache of their content."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from application.posts.hydration import ContentCache, HydrateEntries, PostPartsReader, ReadPostViews
from application.posts.views import PostContent, PostState
from application.shared.events import PostDeleted
from application.shared.feed_entries import FeedEntry
from application.shared.people import AuthorCard
from domain.posts import Post, Visibility
from domain.shared import EventId, PostId, UserId, ViewerContext
from tests.port_contracts.posts import remove
from tests.port_contracts.stores import Stores, memory, new_id
from tests.port_contracts.threads import edit

ANN, BOB, CAT = UserId(1), UserId(2), UserId(3)


@dataclass
class Cards:
    """Every user exists, except those in `gone`."""

    gone: set[UserId] = field(default_factory=set)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        return {id_: AuthorCard(id_, f"user_{id_}", "") for id_ in ids if id_ not in self.gone}

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        raise NotImplementedError


@dataclass
class Parts:
    """The parts of a store. A test may change posts between the query for states and the one for contents."""

    stores: Stores
    between: list[Post] = field(default_factory=list)
    """Edited one after the other, each time before contents are read."""
    content_queries: int = 0

    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[PostState]:
        return await self.stores.posts.parts.states(ids, viewer)

    async def contents(self, ids: Collection[PostId]) -> Mapping[PostId, PostContent]:
        self.content_queries += 1
        if self.between:
            await edit(self.stores, self.between.pop(), text=f"edited {self.content_queries}")
        return await self.stores.posts.parts.contents(ids)


@dataclass
class Hydration:
    stores: Stores
    parts: Parts
    cards: Cards
    cache: ContentCache
    hydrate: HydrateEntries

    async def visible(self, *entries: FeedEntry, to: ViewerContext | None = None) -> set[int]:
        return {*await self.hydrate(to or ViewerContext(), entries)}


@pytest.fixture
async def hydration() -> Hydration:
    async with memory() as stores:
        parts, cards, cache = Parts(stores), Cards(), ContentCache()
        reader: PostPartsReader = parts
        return Hydration(stores, parts, cards, cache, HydrateEntries(ReadPostViews(reader, cache), cards))


def entry_of(post: Post) -> FeedEntry:
    return FeedEntry(post.id, post.id, post.author)


async def test_a_post_and_a_repost_of_it_are_two_entries(hydration: Hydration) -> None:
    post = await hydration.stores.add_post(author=ANN, mentioned=frozenset({CAT}))
    repost = FeedEntry(new_id(), post.id, BOB)

    hydrated = await hydration.hydrate(ViewerContext(CAT), [entry_of(post), repost])

    card = {who: AuthorCard(who, f"user_{who}", "") for who in (ANN, BOB, CAT)}
    assert {id_: one.reposted_by for id_, one in hydrated.items()} == {post.id: None, repost.id: card[BOB]}
    for one in hydrated.values():
        assert (one.author, [*one.mentions], one.viewer) == (card[ANN], [card[CAT]], CAT)
        assert one.post == await hydration.stores.read(post.id, CAT)


async def test_az3_posts_that_the_viewer_may_not_see_are_left_out(hydration: Hydration) -> None:
    hidden = await hydration.stores.add_post(author=ANN, visibility=Visibility.FOLLOWERS)
    post = await hydration.stores.add_post(author=ANN)
    entries = [entry_of(hidden), entry_of(post), FeedEntry(new_id(), post.id, BOB)]

    assert await hydration.visible(*entries) == {post.id, entries[2].id}
    assert await hydration.visible(*entries, to=ViewerContext(CAT, frozenset({ANN}))) == {
        entry.id for entry in entries
    }
    assert await hydration.visible(*entries, to=ViewerContext(CAT, blocked=frozenset({ANN}))) == set()
    assert await hydration.visible(*entries, to=ViewerContext(CAT, blocked=frozenset({BOB}))) == {post.id}
    assert await hydration.visible(*entries, to=ViewerContext(CAT, muted=frozenset({ANN, BOB}))) == {
        post.id,
        entries[2].id,
    }


async def test_az4_a_deleted_post_is_left_out_although_its_content_is_cached(hydration: Hydration) -> None:
    post = await hydration.stores.add_post()
    assert await hydration.visible(entry_of(post)) == {post.id}

    await remove(hydration.stores, post)

    assert await hydration.visible(entry_of(post)) == set()
    event = PostDeleted(post_id=post.id, author_id=post.author, reply_to=None)
    await hydration.cache.forget(event, EventId(1))
    assert (len(hydration.cache), hydration.cache.bytes) == (0, 0)


async def test_entries_of_deleted_accounts_are_left_out(hydration: Hydration) -> None:
    post, other = await hydration.stores.add_post(author=ANN), await hydration.stores.add_post(author=CAT)
    hydration.cards.gone.add(ANN)

    assert await hydration.visible(entry_of(post), FeedEntry(7, other.id, ANN), entry_of(other)) == {other.id}


async def test_content_is_read_once(hydration: Hydration) -> None:
    post = await hydration.stores.add_post()

    for _ in range(3):
        await hydration.visible(entry_of(post))

    assert hydration.parts.content_queries == 1


async def test_a_post_edited_between_the_two_queries_is_read_again(hydration: Hydration) -> None:
    post = await hydration.stores.add_post(text="first")
    hydration.parts.between = [post]

    hydrated = await hydration.hydrate(ViewerContext(), [entry_of(post)])

    assert hydrated[post.id].post == await hydration.stores.read(post.id)
    assert (hydrated[post.id].post.content.text, hydrated[post.id].post.state.version) == ("edited 1", 2)


async def test_a_post_that_is_edited_again_and_again_is_left_out_rather_than_mixed(
    hydration: Hydration,
) -> None:
    post = await hydration.stores.add_post(text="first")
    hydration.parts.between = [post, post]

    assert await hydration.visible(entry_of(post)) == set()
    assert await hydration.visible(entry_of(post)) == {post.id}


def content(text: str) -> PostContent:
    return PostContent(1, 0, text, "", None, None, ())


def is_cached(cache: ContentCache, post_id: int, state: PostState) -> bool:
    return cache.get(state._replace(id=PostId(post_id))) is not None


async def test_the_cache_is_bounded_by_number_and_size_and_keeps_the_newest_content(
    hydration: Hydration,
) -> None:
    post = await hydration.stores.add_post()
    [state] = await hydration.stores.posts.parts.states([post.id], None)
    few, small = ContentCache(capacity=2), ContentCache(max_bytes=10_000)

    for id_ in (1, 2):
        few.put(PostId(id_), content("x"))
    assert is_cached(few, 1, state)
    few.put(PostId(3), content("x"))
    for id_ in range(1, 100):
        small.put(PostId(id_), content("x" * 1000))

    assert [is_cached(few, id_, state) for id_ in (1, 2, 3)] == [False, True, True]
    assert (len(small), is_cached(small, 99, state)) == (2, True)
    assert 0 < small.bytes <= small.max_bytes


async def test_content_that_is_cached_twice_counts_once() -> None:
    cache = ContentCache()
    cache.put(PostId(1), content("x" * 100))
    once = cache.bytes

    cache.put(PostId(1), content("y" * 100))

    assert (cache.bytes, len(cache)) == (once, 1)
