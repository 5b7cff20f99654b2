"""The contract of stores of likes, reposts, bookmarks and pins."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.posts.deleting import DeletePost
from application.posts.engagements import PinPost, SetEngagement
from application.posts.views import PostView
from application.shared.paging import Window
from domain.posts import MAX_PINS, Engagement, Post, TooManyPins
from domain.shared import PostId, UserId, ViewerContext
from tests.port_contracts.stores import Stores, new_id, with_retries
from tests.unit.viewer_contexts import NO_RELATIONSHIPS

KINDS = pytest.mark.parametrize("engagement", Engagement)


async def engage(stores: Stores, engagement: Engagement, post_id: PostId, user: UserId) -> bool:
    async with stores.posts.open_tx() as tx:
        await tx.posts.get(post_id)
        return await tx.engagements.add(engagement, post_id, user, new_id())


async def disengage(stores: Stores, engagement: Engagement, post_id: PostId, user: UserId) -> int | None:
    async with stores.posts.open_tx() as tx:
        await tx.posts.get(post_id)
        return await tx.engagements.remove(engagement, post_id, user)


async def pin(stores: Stores, post_id: PostId, pin: int | None) -> None:
    async with stores.posts.open_tx() as tx:
        await tx.posts.get(post_id)
        await tx.engagements.set_pin(post_id, pin)


def count(row: PostView, engagement: Engagement) -> int:
    return {Engagement.LIKE: row.state.likes, Engagement.REPOST: row.state.reposts, Engagement.BOOKMARK: 0}[
        engagement
    ]


def left(row: PostView) -> set[Engagement]:
    flags = {
        Engagement.LIKE: row.state.liked,
        Engagement.REPOST: row.state.reposted,
        Engagement.BOOKMARK: row.state.bookmarked,
    }
    return {engagement for engagement, flag in flags.items() if flag}


async def all_at_once(*work: Callable[[], Awaitable[object]]) -> list[object]:
    return await asyncio.gather(*(with_retries(one) for one in work))


class EngagementsContract:
    @KINDS
    async def test_di1_an_engagement_is_added_once(self, stores: Stores, engagement: Engagement) -> None:
        post, ann = await stores.add_post(), UserId(new_id())

        first, second = (
            await engage(stores, engagement, post.id, ann),
            await engage(stores, engagement, post.id, ann),
        )

        assert (first, second) == (True, False)
        row = await stores.read(post.id, ann)
        assert (count(row, engagement), left(row)) == (
            0 if engagement is Engagement.BOOKMARK else 1,
            {engagement},
        )

    @KINDS
    async def test_di3_removing_reduces_the_count_only_if_there_was_an_engagement(
        self, stores: Stores, engagement: Engagement
    ) -> None:
        post, ann, bob = await stores.add_post(), UserId(new_id()), UserId(new_id())
        await engage(stores, engagement, post.id, ann)
        await engage(stores, engagement, post.id, bob)

        first, second = (
            await disengage(stores, engagement, post.id, ann),
            await disengage(stores, engagement, post.id, ann),
        )

        assert first is not None
        assert second is None
        row = await stores.read(post.id, ann)
        assert (count(row, engagement), left(row)) == (0 if engagement is Engagement.BOOKMARK else 1, set())

    async def test_removing_returns_the_id_of_the_engagement(self, stores: Stores) -> None:
        post, ann, id_ = await stores.add_post(), UserId(new_id()), new_id()
        async with stores.posts.open_tx() as tx:
            await tx.engagements.add(Engagement.REPOST, post.id, ann, id_)

        assert await disengage(stores, Engagement.REPOST, post.id, ann) == id_

    @KINDS
    async def test_an_engagement_belongs_to_one_kind_one_user_and_one_post(
        self, stores: Stores, engagement: Engagement
    ) -> None:
        post, other = await stores.add_post(), await stores.add_post()
        ann, bob = UserId(new_id()), UserId(new_id())

        await engage(stores, engagement, post.id, ann)

        assert left(await stores.read(post.id, ann)) == {engagement}
        assert left(await stores.read(post.id, bob)) == set()
        assert left(await stores.read(post.id)) == set()
        assert left(await stores.read(other.id, ann)) == set()
        async with stores.posts.open_tx() as tx:
            assert await tx.engagements.of_user(post.id, ann) == {engagement}
            assert await tx.engagements.of_user(post.id, bob) == frozenset()

    @pytest.mark.parametrize("engagement", [Engagement.LIKE, Engagement.REPOST])
    async def test_di2_fifty_users_with_three_racing_engagements_each_count_as_fifty(
        self, stores: Stores, engagement: Engagement
    ) -> None:
        post = await stores.add_post()
        fans = [UserId(new_id()) for _ in range(50)]

        engagements = await all_at_once(
            *(lambda fan=fan: engage(stores, engagement, post.id, fan) for fan in fans * 3)
        )
        counted = count(await stores.read(post.id), engagement)
        taken = await all_at_once(
            *(lambda fan=fan: disengage(stores, engagement, post.id, fan) for fan in fans * 3)
        )

        assert (engagements.count(True), counted) == (50, 50)
        assert 150 - taken.count(None) == 50
        assert count(await stores.read(post.id), engagement) == 0

    @given(
        storm=st.lists(
            st.tuples(st.sampled_from(Engagement), st.booleans(), st.integers(0, 2), st.integers(0, 1)),
            max_size=40,
        )
    )
    async def test_di2_counters_are_exact_after_any_concurrent_changes(
        self, stores: Stores, storm: list[tuple[Engagement, bool, int, int]]
    ) -> None:
        users = [UserId(new_id()) for _ in range(3)]
        posts = [await stores.add_post() for _ in range(2)]
        set_engagement = SetEngagement(stores.posts.open_tx, NO_RELATIONSHIPS, new_id)

        await all_at_once(
            *(
                lambda engagement=engagement, on=on, user=user, post=post: set_engagement(
                    users[user], posts[post].id, engagement, on=on
                )
                for engagement, on, user, post in storm
            )
        )

        for post in posts:
            rows = [await stores.read(post.id, user) for user in users]
            assert rows[0].state.likes == sum(row.state.liked for row in rows)
            assert rows[0].state.reposts == sum(row.state.reposted for row in rows)

    async def test_bookmarks_are_counted_for_each_user(self, stores: Stores) -> None:
        ann, bob = UserId(new_id()), UserId(new_id())
        for _ in range(3):
            await engage(stores, Engagement.BOOKMARK, (await stores.add_post()).id, ann)
        await engage(stores, Engagement.BOOKMARK, (await stores.add_post()).id, bob)

        async with stores.posts.open_tx() as tx:
            assert (await tx.engagements.count_bookmarks(ann), await tx.engagements.count_bookmarks(bob)) == (
                3,
                1,
            )

    async def test_bookmarks_of_deleted_posts_can_be_removed(self, stores: Stores) -> None:
        ann, bob = UserId(new_id()), UserId(new_id())
        kept, gone = await stores.add_post(), await stores.add_post()
        for who in (ann, bob):
            for post in (kept, gone):
                await engage(stores, Engagement.BOOKMARK, post.id, who)
        await DeletePost(stores.posts.open_tx, NO_RELATIONSHIPS)(gone.author, gone.id)

        async with stores.posts.open_tx() as tx:
            await tx.engagements.remove_bookmarks_of_deleted_posts(ann)

        async with stores.posts.open_tx() as tx:
            assert (await tx.engagements.count_bookmarks(ann), await tx.engagements.count_bookmarks(bob)) == (
                1,
                2,
            )
        assert left(await stores.read(kept.id, ann)) == {Engagement.BOOKMARK}

    async def test_pins_are_counted_for_each_author(self, stores: Stores) -> None:
        post = await stores.add_post()
        other = await stores.add_post(author=post.author)
        await pin(stores, post.id, new_id())
        await pin(stores, other.id, new_id())
        await pin(stores, (await stores.add_post()).id, new_id())

        await pin(stores, post.id, None)

        async with stores.posts.open_tx() as tx:
            assert await tx.engagements.count_pins(post.author) == 1

    async def test_racing_pins_are_at_most_five(self, stores: Stores) -> None:
        ann, pin_post = UserId(new_id()), PinPost(stores.posts.open_tx, NO_RELATIONSHIPS, new_id)
        posts = [await stores.add_post(author=ann) for _ in range(12)]

        async def try_to_pin(post: Post) -> bool:
            try:
                await pin_post(ann, post.id, on=True)
            except TooManyPins:
                return False
            return True

        pinned = await all_at_once(*(lambda post=post: try_to_pin(post) for post in posts * 2))

        shown = await stores.posts.engagements.pinned(ann, Window(100), ViewerContext())
        assert len(shown) == MAX_PINS
        assert MAX_PINS <= pinned.count(True) <= 2 * MAX_PINS

    async def test_erasing_a_user_removes_all_their_engagements_in_batches(self, stores: Stores) -> None:
        ann, bob = UserId(new_id()), UserId(new_id())
        posts = [await stores.add_post() for _ in range(7)]
        for post in posts:
            for engagement in Engagement:
                await engage(stores, engagement, post.id, ann)
                await engage(stores, engagement, post.id, bob)

        batches: list[int] = []
        while not batches or batches[-1]:
            async with stores.posts.open_tx() as tx:
                batches.append(await tx.engagements.erase_user(ann, 3))

        assert (max(batches), sum(batches), batches[-1]) == (3, 7 * len(Engagement), 0)
        for post in posts:
            assert left(await stores.read(post.id, ann)) == set()
            row = await stores.read(post.id, bob)
            assert (row.state.likes, row.state.reposts, left(row)) == (1, 1, set(Engagement))


# --- The users involved in a post ----------------------------------------------------------------------------


class InvolvedContract:
    async def test_users_who_liked_reposted_or_answered_are_involved_once(self, stores: Stores) -> None:
        post, other = await stores.add_post(), await stores.add_post()
        liked, reposted, answered, all_of_it = users = sorted(UserId(new_id()) for _ in range(4))
        for user in (liked, all_of_it):
            await engage(stores, Engagement.LIKE, post.id, user)
        for user in (reposted, all_of_it):
            await engage(stores, Engagement.REPOST, post.id, user)
        for user in (answered, answered, all_of_it):
            await stores.add_post(author=user, reply_to=post.id)

        assert await stores.posts.engagements.involved(post.id, UserId(0), 10) == users
        assert await stores.posts.engagements.involved(other.id, UserId(0), 10) == []

    async def test_users_who_bookmarked_undid_deleted_or_answered_an_answer_are_not_involved(
        self, stores: Stores
    ) -> None:
        post = await stores.add_post()
        bookmarked, took_back, deleted, answered = (UserId(new_id()) for _ in range(4))
        await engage(stores, Engagement.BOOKMARK, post.id, bookmarked)
        for engagement in (Engagement.LIKE, Engagement.REPOST):
            await engage(stores, engagement, post.id, took_back)
            await disengage(stores, engagement, post.id, took_back)
        gone = await stores.add_post(author=deleted, reply_to=post.id)
        async with stores.posts.open_tx() as tx:
            await tx.posts.save((await tx.posts.get(gone.id)).removed(by=deleted))
        answer = await stores.add_post(author=answered, reply_to=post.id)
        await stores.add_post(reply_to=answer.id)

        assert await stores.posts.engagements.involved(post.id, UserId(0), 10) == [answered]

    @pytest.mark.parametrize("limit", [1, 2, 3, 9, 10])
    async def test_pages_have_each_involved_user_once_by_id(self, stores: Stores, limit: int) -> None:
        post = await stores.add_post()
        users = [UserId(new_id()) for _ in range(9)]
        for number, user in enumerate(reversed(users)):
            if number > 3 and number % 3 != 1:
                await engage(stores, Engagement.LIKE, post.id, user)
            if number > 3 and number % 3 != 2:
                await engage(stores, Engagement.REPOST, post.id, user)
            for _ in range(number % 4 + 1):  # several answers by one user make no page shorter
                await stores.add_post(author=user, reply_to=post.id)

        pages, after = list[Sequence[UserId]](), UserId(0)
        while (some := await stores.posts.engagements.involved(post.id, after, limit)) and len(pages) < len(
            users
        ):
            pages.append(some)
            after = some[-1]

        assert [user for some in pages for user in some] == users
        assert all(len(some) == limit for some in pages[:-1])
