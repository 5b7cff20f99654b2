"""The public feed, hashtag feeds and the feeds of single accounts."""

from collections.abc import Mapping
from typing import Any

from application.feeds.read_feeds import NoSuchHashtag
from application.shared.paging import Window
from domain.posts import Visibility, find_entities, resolve_mentions
from domain.shared import UserId, UserNotFound
from tests.unit.feeds_harness import FeedsHarness, ids_of
from tests.unit.people import refused

BEES: Mapping[str, Any] = {"text": "#bees", "entities": resolve_mentions(find_entities("#bees"), {})}


async def test_the_public_feed_hides_non_public_posts_and_muted_or_blocked_authors(
    feeds: FeedsHarness,
) -> None:
    ann, bob, cid, dan, *_ = feeds.users
    shown = await feeds.publish(bob)
    await feeds.publish(bob, visibility=Visibility.UNLISTED)
    await feeds.publish(ann, visibility=Visibility.FOLLOWERS)
    by_cid, by_dan = await feeds.publish(cid), await feeds.publish(dan)
    feeds.block(cid, ann)
    feeds.mutes[ann].add(dan)

    assert ids_of(await feeds.public(ann, Window(9))) == [shown.id]
    assert ids_of(await feeds.public(None, Window(9))) == [by_dan.id, by_cid.id, shown.id]
    assert ids_of(await feeds.public(None, Window(2))) == [by_dan.id, by_cid.id]


async def test_a_hashtag_feed_includes_comments(feeds: FeedsHarness) -> None:
    ann, *_ = feeds.users
    post = await feeds.publish(ann, **BEES)
    await feeds.publish(ann)
    comment = await feeds.publish(ann, reply_to=post.id, **BEES)

    page = await feeds.tagged(None, "BEES", Window(1))

    assert ids_of(page) == [comment.id]
    assert page.next is not None
    assert ids_of(await feeds.tagged(None, "bees", page.next)) == [post.id]
    assert ids_of(await feeds.tagged(None, "wasps", Window(1))) == []
    assert await refused(feeds.tagged(None, "no tag", Window(1))) is NoSuchHashtag


async def test_a_user_feed_has_posts_and_reposts_each_once(feeds: FeedsHarness) -> None:
    ann, bob, cid, *_ = feeds.users
    own, by_bob = await feeds.publish(ann), await feeds.publish(bob)
    comment = await feeds.publish(ann, reply_to=by_bob.id)
    for post in (own, by_bob, comment):
        await feeds.repost(ann, post.id)
    feeds.mutes[cid].add(ann)

    page = await feeds.user(cid, ann, Window(9))

    found = [(seen.post.id, seen.reposted_by) for seen in page.items]
    assert found == [(comment.id, ann), (by_bob.id, ann), (own.id, None)]
    assert await refused(feeds.user(None, UserId(1), Window(9))) is UserNotFound


async def test_the_feed_of_a_blocked_account_hydrates_no_posts(feeds: FeedsHarness) -> None:
    """Otherwise the cursor of an empty page would contain the id of a post that the viewer must not know of."""
    ann, _, cid, *_ = feeds.users
    for _ in range(10):
        await feeds.publish(ann)
    feeds.block(ann, cid)
    feeds.hydrated = 0

    page = await feeds.user(cid, ann, Window(1))

    assert (ids_of(page), page.next, feeds.hydrated) == ([], None, 0)


async def test_only_followers_see_reposts_of_a_private_account(feeds: FeedsHarness) -> None:
    ann, bob, cid, *_ = feeds.users
    by_bob = await feeds.publish(bob)
    await feeds.repost(ann, by_bob.id)
    async with feeds.stores.posts.open_tx() as tx:
        await tx.authors.set_private(ann, 2, private=True)
    feeds.follow(cid, ann)

    assert ids_of(await feeds.user(None, ann, Window(9))) == []
    assert ids_of(await feeds.user(bob, ann, Window(9))) == []
    assert ids_of(await feeds.user(cid, ann, Window(9))) == [by_bob.id]
