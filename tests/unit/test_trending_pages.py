"""Pages of rankings: complete, stable while a new ranking is made, and cheap."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.feeds.ranking_cache import Ranking, codec
from application.feeds.trending import (
    HYDRATE_BATCH,
)
from application.feeds.trending_formula import RankedPost, RankedTag
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from domain.shared import PostId, UserId, ViewerContext
from tests.unit.trending_harness import ACCOUNTS, OTHER, ShownPost, TrendingHarness


@pytest.fixture
def harness() -> TrendingHarness:
    return TrendingHarness()


async def test_hidden_posts_do_not_shorten_a_page(harness: TrendingHarness) -> None:
    authors = [UserId(user) for user in range(1000, 1040)]
    posts = [await harness.popular(author=author) for author in authors]
    muted = frozenset(authors[10:])
    harness.viewer_context = ViewerContext(UserId(99), muted=muted)

    first = await harness.list_posts(UserId(99), Window(6))
    assert first.next
    second = await harness.list_posts(UserId(99), first.next)

    assert [*harness.ids(first), *harness.ids(second)] == posts[9::-1]
    assert (len(first.items), len(second.items), second.next) == (6, 4, None)


async def test_many_hidden_posts_are_skipped_in_few_queries(harness: TrendingHarness) -> None:
    authors = [UserId(user) for user in range(1000, 1150)]
    posts = [await harness.popular(author=author) for author in authors]
    await harness.refresh()
    harness.viewer_context = ViewerContext(UserId(99), blocked=frozenset(authors[1:]))
    looks = 0

    async def show(viewer_context: ViewerContext, entries: Sequence[FeedEntry]) -> Mapping[int, ShownPost]:
        nonlocal looks
        looks += 1
        return await harness.show(viewer_context, entries)

    page = await replace(harness.list_posts, hydrate=show)(UserId(99), Window(1))

    assert harness.ids(page) == [posts[0]]
    assert looks <= 1 + math.ceil(len(posts) / HYDRATE_BATCH)


@given(st.integers(0, 25), st.integers(1, 9), st.sets(st.integers(0, 24)))
async def test_paging_forwards_and_backwards_lists_each_post_once(
    count: int, limit: int, gone: set[int]
) -> None:
    harness = TrendingHarness()
    posts = [await harness.popular(author=UserId(1000 + number)) for number in range(count)]
    await harness.refresh()
    for number in gone & set(range(count)):
        del harness.posts[posts[number]]
    expected = [post for post in reversed(posts) if post in harness.posts]

    page = await harness.list_posts(None, Window(limit))
    forth = [harness.ids(page)]
    while page.next:
        page = await harness.list_posts(None, page.next)
        forth.append(harness.ids(page))
    back = [forth[-1]]
    while page.prev:
        page = await harness.list_posts(None, page.prev)
        back.insert(0, harness.ids(page))

    assert [post for some in forth for post in some] == expected
    assert [post for some in back for post in some] == expected
    assert all(len(some) == limit for some in forth[:-1])


async def test_a_cursor_continues_in_its_own_ranking(harness: TrendingHarness) -> None:
    posts = [await harness.popular(author=UserId(1000 + number)) for number in range(6)]
    first = await harness.list_posts(None, Window(3))
    harness.later(seconds=61)
    for post in posts[:3]:
        await harness.like(post, *ACCOUNTS)
    await harness.refresh()

    assert first.next
    second = await harness.list_posts(None, first.next)

    assert [*harness.ids(first), *harness.ids(second)] == posts[::-1]
    assert set(harness.ids(await harness.list_posts(None, Window(3)))) == set(posts[:3])


async def test_a_cursor_of_an_expired_ranking_continues_at_the_same_rank(harness: TrendingHarness) -> None:
    posts = [await harness.popular(author=UserId(1000 + number)) for number in range(6)]
    first = await harness.list_posts(None, Window(4))
    harness.later(hours=1)
    await harness.delete(posts[0])

    assert first.next
    second = await harness.list_posts(None, first.next)
    third = await harness.list_posts(None, Window(9, 900))

    assert harness.ids(second) == [posts[1]]
    assert (list(third.items), third.next) == ([], None)


async def test_a_fresh_ranking_is_not_recomputed(harness: TrendingHarness) -> None:
    post = await harness.popular()
    await harness.refresh()
    harness.later(seconds=30)
    other = await harness.popular(author=OTHER)
    await harness.refresh()
    before = harness.ids(await harness.list_posts(None, Window(9)))
    harness.later(seconds=31)
    await harness.refresh()

    assert (before, harness.ids(await harness.list_posts(None, Window(9)))) == ([post], [other, post])


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"[1]", b"{}", b"[1,[[1]]]", b"[1,[[1,2,3,4]]]", b"[null,[]]", b"\xff", b"[1,[7]]"]
)
def test_invalid_data_is_not_decoded_as_a_ranking(raw: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        codec(1, RankedPost).load(raw)


def test_a_hashtag_ranking_round_trips_through_the_codec() -> None:
    of = codec(1, RankedTag)
    ranking = Ranking(5, [RankedTag("straße", 3, 2, 1.25, (PostId(2**62), PostId(7)))])

    assert of.load(of.dump(ranking)) == ranking
