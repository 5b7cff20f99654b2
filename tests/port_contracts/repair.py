"""The contract of recounting and repairing counters."""

import asyncio
from datetime import timedelta
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from application.identity.event_handlers import COUNT_POSTS, CountPosts
from application.identity.repair import RepairAccounts
from application.posts.access import locked_if_visible
from application.posts.deleting import DeletePost
from application.posts.engagements import SetEngagement
from application.posts.repair import RepairPosts
from application.shared.deliveries import NOT_DISTRIBUTED, Remaining, Settled
from application.shared.events import PostDeleted, Published
from application.shared.relay import Relay
from application.shared.subscriptions import InProcess, on
from domain.posts import Engagement, Post, Visibility
from domain.shared import UserId, ViewerContext
from tests.port_contracts.stores import Stores, a_post, new_id, with_retries
from tests.unit.viewer_contexts import NO_RELATIONSHIPS

NONE = {"comments": 0, "replies": 0, "likes": 0, "reposts": 0}


async def publish(stores: Stores, post: Post) -> Post:
    """Publishes as PublishPost does, for authors without accounts."""
    async with stores.posts.open_tx() as tx:
        above = (
            None
            if post.reply_to is None
            else await locked_if_visible(tx, ViewerContext(post.author), post.reply_to)
        )
        await tx.posts.add(post)
        if above is not None and post.counts_in(above):
            await tx.posts.count_replies(above.id, comments=1, replies=1)
        await tx.outbox.add(
            Published(
                post_id=post.id, author_id=post.author, reply_to=post.reply_to, visibility=post.visibility
            )
        )
    return post


def relay(stores: Stores) -> Relay:
    count_posts = CountPosts(stores.identity.open_post_counts)
    both = [on(Published, COUNT_POSTS, count_posts), on(PostDeleted, COUNT_POSTS, count_posts)]
    return Relay(stores.queue, InProcess(both))


class RepairContract:
    @given(
        world=st.lists(
            st.tuples(st.sampled_from(Visibility), st.integers(-1, 5), st.booleans(), st.integers(0, 3)),
            min_size=1,
            max_size=8,
        )
    )
    async def test_di2_use_cases_leave_counters_without_drift(
        self, stores: Stores, world: list[tuple[Visibility, int, bool, int]]
    ) -> None:
        ann, posts = UserId(new_id()), list[Post]()
        set_engagement, delete_post = (
            SetEngagement(stores.posts.open_tx, NO_RELATIONSHIPS, new_id),
            DeletePost(stores.posts.open_tx, NO_RELATIONSHIPS),
        )
        for visibility, above, _, _ in world:
            under = posts[above] if 0 <= above < len(posts) else None
            narrowest = min(visibility, under.visibility if under else visibility, key=lambda one: one.width)
            posts.append(
                await publish(
                    stores,
                    a_post(author=ann, visibility=narrowest, reply_to=under.id if under else None),
                )
            )
        for post, (_, _, deleted, likes) in zip(posts, world, strict=True):
            for engagement in [Engagement.LIKE, Engagement.BOOKMARK][:likes]:
                await set_engagement(ann, post.id, engagement, on=True)
            if deleted:
                await delete_post(ann, post.id)

        assert await RepairPosts(stores.posts.counters)(repair=False) == NONE

    async def test_di2_a_planted_drift_is_found_and_repaired(self, stores: Stores) -> None:
        ann, post = UserId(new_id()), await stores.add_post(comments=2, replies=1, likes=5, reposts=0)
        sound = await stores.add_post()
        await SetEngagement(stores.posts.open_tx, NO_RELATIONSHIPS, new_id)(
            ann, post.id, Engagement.LIKE, on=True
        )
        await SetEngagement(stores.posts.open_tx, NO_RELATIONSHIPS, new_id)(
            ann, sound.id, Engagement.REPOST, on=True
        )
        comment = await publish(stores, a_post(reply_to=post.id))
        repair = RepairPosts(stores.posts.counters)

        found = await repair(repair=False)
        unchanged = await stores.read(post.id)
        mended = await repair(repair=True)

        assert found == mended == {"comments": 2, "replies": 1, "likes": 5, "reposts": 0}
        assert (unchanged.state.comments, unchanged.state.likes) == (3, 6)
        row = await stores.read(post.id)
        assert (row.state.comments, row.state.likes, row.state.reposts) == (1, 1, 0)
        assert (await stores.read(sound.id)).state.reposts == 1
        assert (await stores.read(comment.id)).state.comments == 0
        assert await repair(repair=True) == NONE

    async def test_all_posts_are_recounted_in_batches_of_any_size(self, stores: Stores) -> None:
        for _ in range(7):
            await stores.add_post(likes=1)
        seen, below = 0, 2**62
        while (batch := await stores.posts.counters.recount(below, 2, repair=True)).last is not None:  # type: ignore[arg-type]
            seen, below = seen + batch.drift["likes"], batch.last

        assert seen == 7

    async def test_repairing_during_writes_neither_finds_nor_causes_drift(self, stores: Stores) -> None:
        people = [UserId(new_id()) for _ in range(8)]
        posts = [await publish(stores, a_post()) for _ in range(3)]
        set_engagement, delete_post = (
            SetEngagement(stores.posts.open_tx, NO_RELATIONSHIPS, new_id),
            DeletePost(stores.posts.open_tx, NO_RELATIONSHIPS),
        )
        repair, busy = RepairPosts(stores.posts.counters), True

        async def write(user: UserId) -> None:
            for post in posts:
                for engagement in (Engagement.LIKE, Engagement.REPOST):
                    await with_retries(partial(set_engagement, user, post.id, engagement, on=True))
                comment = a_post(author=user, reply_to=post.id)
                await with_retries(partial(publish, stores, comment))
                if user % 2:
                    await with_retries(partial(set_engagement, user, post.id, Engagement.LIKE, on=False))
                await with_retries(partial(delete_post, comment.author, comment.id))

        async def look() -> list[object]:
            found: list[object] = []
            while busy:
                found.append(await with_retries(lambda: repair(repair=True)))
                await asyncio.sleep(0)
            return found

        looking = asyncio.create_task(look())
        await asyncio.gather(*(write(user) for user in people))
        busy = False

        assert all(drift in (NONE, {}) for drift in await looking)
        assert await repair(repair=False) == NONE

    async def test_di2_a_thread_of_tombstones_is_repaired_in_one_run(self, stores: Stores) -> None:
        top = await stores.add_post()
        stone = await stores.add_post(reply_to=top.id, deleted=True)
        lower = await stores.add_post(reply_to=stone.id, deleted=True)
        await stores.add_post(reply_to=lower.id)
        repair = RepairPosts(stores.posts.counters)

        await repair(repair=True)

        assert not any((await repair(repair=False)).values())
        assert await stores.posts.reader.tombstone(stone.id)

    async def test_post_counts_are_compared_with_the_number_of_open_posts(self, stores: Stores) -> None:
        right, wrong = await stores.add_account(posts=2), await stores.add_account(posts=9)
        for account in (right, wrong):
            for visibility in Visibility:
                await stores.add_post(author=account.id, visibility=visibility)
            await stores.add_post(author=account.id, deleted=True)
            await stores.add_post(author=account.id, reply_to=(await stores.add_post()).id)
        repair = RepairAccounts(stores.identity.open_tx, stores.authorship)

        found, mended = await repair(repair=False), await repair(repair=True)

        assert (found, mended) == (7, 7)
        assert (await stores.identity.reader.account(wrong.id)).posts == 2
        assert (await stores.identity.reader.account(right.id)).posts == 2
        assert await repair(repair=False) == 0

    async def test_undelivered_events_are_not_counted_twice(self, stores: Stores) -> None:
        ann = await stores.add_account()
        delivered = await publish(stores, a_post(author=ann.id))
        await relay(stores).deliver()
        await publish(stores, a_post(author=ann.id))
        await DeletePost(stores.posts.open_tx, NO_RELATIONSHIPS)(ann.id, delivered.id)
        repair = RepairAccounts(stores.identity.open_tx, stores.authorship)

        before = await repair(repair=True)
        await relay(stores).deliver()

        assert before == 0
        assert (await stores.identity.reader.account(ann.id)).posts == 1
        assert await repair(repair=True) == 0

    async def test_a_delivered_event_that_is_still_stored_is_not_counted_twice(self, stores: Stores) -> None:
        ann = await stores.add_account()
        await publish(stores, a_post(author=ann.id))
        (delivery,) = await stores.queue.claim_events(10, timedelta(minutes=1))
        assert isinstance(delivery.event, Published)
        await CountPosts(stores.identity.open_post_counts)(delivery.event, delivery.event_id)
        repair = RepairAccounts(stores.identity.open_tx, stores.authorship)

        assert await repair(repair=True) == 0
        others = [
            Remaining("another", 1, error="failed"),
            Remaining("a third", 12, error="failed", is_dead=True),
        ]
        await stores.queue.settle([Settled(delivery, others)])
        assert await repair(repair=True) == 0
        assert (await stores.identity.reader.account(ann.id)).posts == 1

    async def test_pending_and_dead_events_count_as_undelivered(self, stores: Stores) -> None:
        ann = await stores.add_account()
        for _ in range(3):
            await publish(stores, a_post(author=ann.id))
        first, second, third = await stores.queue.claim_events(10, timedelta(minutes=1))
        await stores.queue.settle(
            [
                Settled(
                    first,
                    [Remaining("another", 1, error="failed"), Remaining(COUNT_POSTS, 1, error="failed")],
                ),
                Settled(second, [Remaining(COUNT_POSTS, 12, error="failed", is_dead=True)]),
                Settled(third, [Remaining(NOT_DISTRIBUTED, 12, error="unknown", is_dead=True)]),
            ]
        )

        assert await RepairAccounts(stores.identity.open_tx, stores.authorship)(repair=True) == 0
        await stores.queue.replay()
        while await relay(stores).deliver():
            pass

        assert (await stores.identity.reader.account(ann.id)).posts == 3
