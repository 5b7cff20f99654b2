"""Trending posts and hashtags: from events to the lists that clients read, in memory."""

import pytest

from application.feeds.record_signals import BATCH
from application.feeds.trending_formula import HALF_LIFE_MS
from application.shared.events import (
    AccountDeleted,
    Liked,
    Published,
    Reposted,
    Unliked,
    Unreposted,
)
from application.shared.paging import Window
from domain.shared import EventId, PostId, UserId
from tests.unit.trending_harness import ACCOUNTS, AUTHOR, OTHER, StoredPost, TrendingHarness


@pytest.fixture
def harness() -> TrendingHarness:
    return TrendingHarness()


async def test_more_engagement_ranks_higher(harness: TrendingHarness) -> None:
    few, many = await harness.popular(likes=3), await harness.popular(likes=6, author=OTHER)
    await harness.popular(likes=2)

    assert await harness.trending_posts() == [many, few]


async def test_recent_engagement_ranks_above_older_engagement(harness: TrendingHarness) -> None:
    earlier = await harness.popular(likes=5)
    harness.later(milliseconds=HALF_LIFE_MS)
    now = await harness.popular(author=OTHER)

    assert await harness.trending_posts() == [now, earlier]


async def test_engagement_older_than_two_days_does_not_count(harness: TrendingHarness) -> None:
    await harness.popular()
    harness.later(hours=49)

    assert await harness.trending_posts() == []


async def test_reposts_and_comments_count_until_they_are_undone(harness: TrendingHarness) -> None:
    post = await harness.publish()
    ann, bob, eve = ACCOUNTS[:3]
    comment = await harness.publish(ann, to=post)
    repost = {"post_id": post, "author_id": AUTHOR, "user_id": bob, "repost_id": 7}
    await harness.record_engagement(Reposted(**repost), EventId(harness.new_id()))
    await harness.like(post, eve)
    assert await harness.trending_posts() == [post]

    await harness.delete(comment)
    assert await harness.trending_posts() == []
    await harness.like(post, ann)
    assert await harness.trending_posts() == [post]

    await harness.record_engagement(Unreposted(**repost), EventId(harness.new_id()))
    assert await harness.trending_posts() == []
    await harness.like(post, bob)
    assert await harness.trending_posts() == [post]

    await harness.record_engagement(
        Unliked(post_id=post, author_id=AUTHOR, user_id=eve), EventId(harness.new_id())
    )
    assert await harness.trending_posts() == []


async def test_comments_that_are_not_public_do_not_count(harness: TrendingHarness) -> None:
    post = await harness.popular(likes=2)
    await harness.publish(ACCOUNTS[2], to=post, visibility="direct")
    await harness.publish(ACCOUNTS[3], to=post, visibility="followers")

    assert await harness.trending_posts() == []


async def test_authors_cannot_promote_their_own_posts(harness: TrendingHarness) -> None:
    post = await harness.popular(likes=2)
    await harness.like(post, AUTHOR)
    await harness.publish(AUTHOR, to=post)

    assert await harness.trending_posts() == []


async def test_only_public_posts_trend_and_comments_do_not(harness: TrendingHarness) -> None:
    post = await harness.popular()
    for visibility in ("unlisted", "followers", "direct"):
        await harness.popular(visibility=visibility)
    comment = await harness.publish(OTHER, to=post)
    await harness.like(comment, *ACCOUNTS)

    assert await harness.trending_posts() == [post]


async def test_posts_hidden_after_ranking_are_not_listed(harness: TrendingHarness) -> None:
    deleted, private, stays = (
        await harness.popular(),
        await harness.popular(author=OTHER),
        await harness.popular(),
    )
    assert set(await harness.trending_posts()) == {deleted, private, stays}

    del harness.posts[deleted]
    harness.hidden.add(OTHER)

    assert harness.ids(await harness.list_posts(None, Window(100))) == [stays]


async def test_posts_by_blocked_and_muted_accounts_are_not_listed_for_the_viewer(
    harness: TrendingHarness,
) -> None:
    hers, his = await harness.popular(author=AUTHOR), await harness.popular(author=OTHER)

    assert await harness.trending_posts(blocked=[AUTHOR]) == [his]
    assert await harness.trending_posts(muted=[OTHER]) == [hers]
    assert set(await harness.trending_posts()) == {hers, his}


async def test_signals_of_a_deleted_account_are_erased(harness: TrendingHarness) -> None:
    posts = [await harness.popular("bees", author=UserId(1000 + number)) for number in range(BATCH // 2)]
    gone = ACCOUNTS[0]
    for post in posts:
        await harness.publish(gone, "bees", to=post)

    for _ in range(2):
        await harness.erase_account(AccountDeleted(user_id=gone), EventId(harness.new_id()))

    signals = await harness.reader.signals(0, None, 10_000)
    trending_tags = await harness.reader.hashtag_signals(0, None, 10_000)
    assert {signal.user for signal in signals} == set(ACCOUNTS[1:3])
    assert gone not in {signal.user for signal in trending_tags}


async def test_redelivered_events_count_once(harness: TrendingHarness) -> None:
    post = PostId(harness.new_id())
    harness.posts[post] = StoredPost(AUTHOR)
    published = Published(
        post_id=post, author_id=AUTHOR, reply_to=None, visibility="public", hashtags=("bees",)
    )
    liked = Liked(post_id=post, author_id=AUTHOR, user_id=ACCOUNTS[0])
    for _ in range(3):
        await harness.record_post_signals(published, EventId(1 << 60))
        await harness.record_engagement(liked, EventId(1 << 60))

    assert len(await harness.reader.signals(0, None, 10)) == 1
    assert len(await harness.reader.hashtag_signals(0, None, 10)) == 1


async def test_hashtags_trend_by_public_posts_of_several_accounts(harness: TrendingHarness) -> None:
    for author, trending_tags in (
        (1, ("bees", "wax")),
        (2, ("bees", "honey")),
        (3, ("bees", "honey")),
        (1, ("wax",)),
    ):
        await harness.publish(UserId(author), *trending_tags)
    for author in (1, 2, 3):
        await harness.publish(UserId(author), "secret", visibility="unlisted")

    assert await harness.trending_tags() == [("bees", 3, 3), ("honey", 2, 2)]


async def test_hashtags_follow_edits_and_deletions_of_posts(harness: TrendingHarness) -> None:
    posts = [await harness.publish(UserId(author), "bees", "wax") for author in (1, 2)]
    assert sorted(await harness.trending_tags()) == [("bees", 2, 2), ("wax", 2, 2)]

    await harness.edit(posts[0], "bees", "honey")
    assert await harness.trending_tags() == [("bees", 2, 2)]

    await harness.edit(posts[1], "honey", "bees")
    assert sorted(await harness.trending_tags()) == [("bees", 2, 2), ("honey", 2, 2)]

    await harness.delete(posts[1])
    assert await harness.trending_tags() == []


async def test_a_hashtag_is_not_listed_once_its_posts_are_hidden(harness: TrendingHarness) -> None:
    posts = [await harness.publish(UserId(author), tag) for tag in ("bees", "wax") for author in (1, 2)]
    await harness.publish(UserId(3), "wax")
    assert sorted(await harness.trending_tags()) == [("bees", 2, 2), ("wax", 3, 3)]

    harness.hidden.add(UserId(2))
    assert [ranked.tag for ranked in (await harness.list_tags(Window(9))).items] == ["wax"]

    del harness.posts[posts[2]]
    assert [ranked.tag for ranked in (await harness.list_tags(Window(9))).items] == []


async def test_private_accounts_do_not_count_for_hashtags(harness: TrendingHarness) -> None:
    for author in (1, 2, 3):
        await harness.publish(UserId(author), "bees")
    harness.hidden.add(UserId(3))

    assert await harness.trending_tags() == [("bees", 2, 2)]
