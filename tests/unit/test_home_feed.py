"""The home feed: which entries it has, and when clients that show it are notified."""

from application.feeds.home import SEGMENT_SIZE
from application.feeds.ports import MAX_TIMELINE_ENTRIES
from application.shared.paging import Window
from domain.posts import Visibility
from tests.unit.feeds_harness import FeedsHarness, ids_of


async def test_home_has_posts_of_followed_accounts_and_own_posts_newest_first(feeds: FeedsHarness) -> None:
    ann, bob, cid, *_ = feeds.users
    feeds.follow(ann, bob)
    by_bob, own, _of_cid = await feeds.publish(bob), await feeds.publish(ann), await feeds.publish(cid)

    assert ids_of(await feeds.home(ann, Window(5))) == [own.id, by_bob.id]
    newest = await feeds.publish(bob)
    assert ids_of(await feeds.home(ann, Window(5))) == [newest.id, own.id, by_bob.id]


async def test_own_posts_and_posts_of_popular_accounts_appear_before_any_event_is_delivered(
    feeds: FeedsHarness,
) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    feeds.popular_accounts.add(bob)
    await feeds.home(ann, Window(5))

    own, famous = await feeds.publish(ann, delivered=False), await feeds.publish(bob, delivered=False)

    assert ids_of(await feeds.home(ann, Window(5))) == [famous.id, own.id]


async def test_comments_appear_only_by_reposts(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    post = await feeds.publish(bob)
    comment = await feeds.publish(bob, reply_to=post.id)
    assert ids_of(await feeds.home(ann, Window(5))) == [post.id]

    await feeds.repost(bob, comment.id)

    first = (await feeds.home(ann, Window(5))).items[0]
    assert (first.post.id, first.reposted_by) == (comment.id, bob)


async def test_a_post_appears_once_at_its_first_entry(feeds: FeedsHarness) -> None:
    ann, bob, cid, dan, eve, _ = feeds.users
    for other in (bob, cid):
        feeds.follow(ann, other)
    by_bob, by_eve = await feeds.publish(bob), await feeds.publish(eve)
    await feeds.repost(cid, by_bob.id)
    await feeds.repost(dan, by_eve.id)  # whom ann does not follow
    await feeds.repost(cid, by_eve.id)
    await feeds.repost(bob, by_eve.id)
    await feeds.repost(ann, by_eve.id)

    page = await feeds.home(ann, Window(9))

    assert [(seen.post.id, seen.reposted_by) for seen in page.items] == [(by_eve.id, cid), (by_bob.id, None)]
    await feeds.unrepost(cid, by_eve.id)
    page = await feeds.home(ann, Window(9))
    assert [(seen.post.id, seen.reposted_by) for seen in page.items] == [(by_eve.id, bob), (by_bob.id, None)]


async def test_posts_by_muted_accounts_are_hidden_even_if_reposted(feeds: FeedsHarness) -> None:
    ann, bob, cid, dan, *_ = feeds.users
    feeds.follow(ann, bob)
    feeds.follow(ann, cid)
    await feeds.publish(bob)
    by_dan, by_cid = await feeds.publish(dan), await feeds.publish(cid)
    await feeds.repost(bob, by_dan.id)
    await feeds.repost(cid, (await feeds.publish(bob)).id)
    await feeds.home(ann, Window(9))  # the timeline is warm, and muting does not invalidate it

    feeds.mutes[ann].add(bob)
    assert ids_of(await feeds.home(ann, Window(9))) == [by_cid.id]

    feeds.mutes[ann].clear()
    assert len(ids_of(await feeds.home(ann, Window(9)))) == 4


async def test_hidden_posts_do_not_shorten_a_page(feeds: FeedsHarness) -> None:
    ann, bob, cid, *_ = feeds.users
    feeds.follow(ann, bob)
    feeds.follow(ann, cid)
    shown = [(await feeds.publish(cid)).id for _ in range(4)]
    for _ in range(60):
        await feeds.publish(bob, visibility=Visibility.DIRECT)

    page = await feeds.home(ann, Window(3))

    assert ids_of(page) == shown[:0:-1]
    assert page.next is not None
    assert ids_of(await feeds.home(ann, page.next)) == shown[:1]


async def test_a_page_with_too_many_hidden_posts_is_short_but_has_a_next(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    oldest = await feeds.publish(bob)
    for _ in range(1600):
        post = await feeds.publish(bob, visibility=Visibility.DIRECT)

    pages = [await feeds.home(ann, Window(2))]
    while pages[-1].next is not None:
        pages.append(await feeds.home(ann, pages[-1].next))

    assert ids_of(pages[0]) == []
    assert [id_ for page in pages for id_ in ids_of(page)] == [oldest.id]
    assert post.id > oldest.id


async def test_scrolling_goes_on_beyond_the_end_of_a_timeline(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    published = [(await feeds.publish(bob)).id for _ in range(MAX_TIMELINE_ENTRIES + SEGMENT_SIZE + 5)]

    entries_shown = await feeds.read_all(ann, limit=37)

    assert [post for _, post, _ in entries_shown] == published[::-1]


async def test_old_own_posts_keep_their_position_below_the_end_of_a_timeline(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    published = [(await feeds.publish(who)).id for who in [ann] * 40 + [bob] * (SEGMENT_SIZE + 50)]

    entries_shown = await feeds.read_all(ann, limit=30)

    assert [post for _, post, _ in entries_shown] == published[::-1]


async def test_clients_are_notified_once_the_post_is_readable(feeds: FeedsHarness) -> None:
    ann, bob, cid, dan, *_ = feeds.users
    feeds.follow(ann, bob)
    feeds.home_clients = {ann: [], cid: []}
    await feeds.home(ann, Window(5))

    first = await feeds.publish(bob)
    comment = await feeds.publish(bob, reply_to=first.id)
    assert feeds.home_clients == {ann: [[first.id]], cid: []}
    await feeds.repost(bob, comment.id)
    by_dan = await feeds.publish(dan)
    await feeds.repost(bob, by_dan.id)

    assert feeds.home_clients == {ann: [[first.id], [comment.id], [by_dan.id]], cid: []}


async def test_direct_posts_do_not_notify_clients(feeds: FeedsHarness) -> None:
    ann, bob, *_ = feeds.users
    feeds.follow(ann, bob)
    feeds.home_clients = {ann: []}

    await feeds.publish(bob, visibility=Visibility.DIRECT)
    await feeds.publish(bob, visibility=Visibility.FOLLOWERS)

    assert len(feeds.home_clients[ann]) == 1
