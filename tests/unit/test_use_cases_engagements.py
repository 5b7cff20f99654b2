"""The use cases of likes, reposts, bookmarks and pins."""

import asyncio

import pytest

from application.posts import engagements
from application.posts.engagements import EngagementSummary
from application.shared.events import Event, Liked, Reposted, Unliked, Unreposted
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.posts import (
    CannotPin,
    CannotRepost,
    Engagement,
    NotTheAuthor,
    PostNotFound,
    TooManyBookmarks,
    TooManyPins,
    Visibility,
)
from domain.shared import PostId, UserId
from tests.unit.people import Waggle, refused

FOLLOWERS, UNLISTED = Visibility.FOLLOWERS, Visibility.UNLISTED
NO_POST = PostId(1)
KINDS = pytest.mark.parametrize("engagement", Engagement)
COUNTED = pytest.mark.parametrize("engagement", [Engagement.LIKE, Engagement.REPOST])


def reception(
    *engagements: Engagement, likes: int = 0, reposts: int = 0, pinned: bool = False
) -> EngagementSummary:
    return EngagementSummary(
        comments=0, likes=likes, reposts=reposts, engagements=frozenset(engagements), pinned=pinned
    )


class TestEngaging:
    @COUNTED
    async def test_di1_an_engagement_is_counted_once_and_adds_one_event(
        self, waggle: Waggle, ann: UserId, bob: UserId, engagement: Engagement
    ) -> None:
        post = (await waggle.post(ann)).post.id
        before = len(await waggle.pending_events())

        first = await waggle.engage(bob, post, engagement, on=True)
        second = await waggle.engage(bob, post, engagement, on=True)

        assert (
            first
            == second
            == reception(
                engagement, likes=engagement is Engagement.LIKE, reposts=engagement is Engagement.REPOST
            )
        )
        (event,) = (await waggle.pending_events())[before:]
        assert isinstance(event, Liked if engagement is Engagement.LIKE else Reposted)
        assert (event.post_id, event.author_id, event.user_id) == (post, ann, bob)

    @COUNTED
    async def test_di3_undoing_an_engagement_is_counted_once_and_adds_one_event(
        self, waggle: Waggle, ann: UserId, bob: UserId, engagement: Engagement
    ) -> None:
        post = (await waggle.post(ann)).post.id
        for user in (ann, bob):
            await waggle.engage(user, post, engagement, on=True)
        before = len(await waggle.pending_events())

        first = await waggle.engage(bob, post, engagement, on=False)
        second = await waggle.engage(bob, post, engagement, on=False)

        assert (
            first
            == second
            == reception(likes=engagement is Engagement.LIKE, reposts=engagement is Engagement.REPOST)
        )
        (event,) = (await waggle.pending_events())[before:]
        assert isinstance(event, Unliked if engagement is Engagement.LIKE else Unreposted)

    async def test_the_event_of_an_undone_repost_has_its_id(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).post.id
        for on in (True, False, True):
            await waggle.engage(bob, post, Engagement.REPOST, on=on)

        reposts = [
            event.repost_id
            for event in await waggle.pending_events()
            if isinstance(event, Reposted | Unreposted)
        ]
        assert reposts[0] == reposts[1] < reposts[2]

    async def test_a_bookmark_adds_no_event(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        post = (await waggle.post(ann)).post.id
        before: list[Event | None] = await waggle.pending_events()

        done = await waggle.engage(bob, post, Engagement.BOOKMARK, on=True)

        assert done == reception(Engagement.BOOKMARK)
        assert await waggle.pending_events() == before
        assert (await waggle.read(ann, post)).post.state.bookmarked is False

    async def test_the_answer_has_all_engagements_of_the_viewer(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).post.id
        for engagement in Engagement:
            await waggle.engage(bob, post, engagement, on=True)

        done = await waggle.engage(bob, post, Engagement.LIKE, on=False)

        assert done == reception(Engagement.REPOST, Engagement.BOOKMARK, reposts=1)

    @KINDS
    async def test_az5_a_hidden_post_cannot_be_engaged_with(
        self, waggle: Waggle, ann: UserId, bob: UserId, engagement: Engagement
    ) -> None:
        hidden = (await waggle.post(ann, visibility=FOLLOWERS)).post.id
        gone = (await waggle.post(ann)).post.id
        await waggle.delete(ann, gone)
        before = await waggle.pending_events()

        for post in (hidden, gone, NO_POST):
            for on in (True, False):
                assert await refused(waggle.engage(bob, post, engagement, on=on)) is PostNotFound
                assert await refused(waggle.pin(bob, post, on=on)) is PostNotFound
        row = (await waggle.read(ann, hidden)).post
        assert (row.state.likes, row.state.reposts) == (0, 0)
        assert await waggle.pending_events() == before

    @KINDS
    async def test_an_engagement_with_a_hidden_post_can_be_undone_and_shows_only_public_counts(
        self, waggle: Waggle, ann: UserId, bob: UserId, engagement: Engagement
    ) -> None:
        cat = await waggle.new_user("cat")
        post = (await waggle.post(ann)).post.id
        for user in (bob, cat):
            await waggle.engage(user, post, engagement, on=True)
        waggle.graph.block(ann, bob)
        after = reception(likes=engagement is Engagement.LIKE, reposts=engagement is Engagement.REPOST)

        for _ in range(2):
            assert await waggle.engage(bob, post, engagement, on=False) == after
        row = (await waggle.read(ann, post)).post
        assert (row.state.likes, row.state.reposts) == (after.likes, after.reposts)
        assert await refused(waggle.engage(bob, post, engagement, on=True)) is PostNotFound

        await waggle.delete(ann, post)
        for user in (bob, cat, cat):
            assert await waggle.engage(user, post, engagement, on=False) == reception()

    async def test_only_open_posts_can_be_reposted(self, waggle: Waggle, ann: UserId) -> None:
        hidden = [await waggle.post_directly(ann), await waggle.post(ann, visibility=FOLLOWERS)]
        for post in [seen.post.id for seen in hidden]:
            assert await refused(waggle.engage(ann, post, Engagement.REPOST, on=True)) is CannotRepost
            assert await waggle.engage(ann, post, Engagement.REPOST, on=False) == reception()
        post = (await waggle.post(ann, visibility=UNLISTED)).post.id
        assert await waggle.engage(ann, post, Engagement.REPOST, on=True) == reception(
            Engagement.REPOST, reposts=1
        )

    @COUNTED
    async def test_di2_fifty_users_with_three_concurrent_requests_each_count_as_fifty(
        self, waggle: Waggle, ann: UserId, engagement: Engagement
    ) -> None:
        post = (await waggle.post(ann)).post.id
        fans = [UserId(1000 + number) for number in range(50)]

        await asyncio.gather(*(waggle.engage(fan, post, engagement, on=True) for fan in fans * 3))
        marked = (await waggle.read(ann, post)).post
        await asyncio.gather(*(waggle.engage(fan, post, engagement, on=False) for fan in fans * 3))
        after = (await waggle.read(ann, post)).post

        assert marked.state.likes + marked.state.reposts == 50
        assert after.state.likes + after.state.reposts == 0

    async def test_the_number_of_bookmarks_is_bounded(
        self, waggle: Waggle, ann: UserId, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engagements, "MAX_BOOKMARKS", 3)
        posts = [(await waggle.post(ann)).post.id for _ in range(4)]
        for post in posts[:3]:
            await waggle.engage(ann, post, Engagement.BOOKMARK, on=True)

        assert await refused(waggle.engage(ann, posts[3], Engagement.BOOKMARK, on=True)) is TooManyBookmarks
        assert (await waggle.read(ann, posts[3])).post.state.bookmarked is False
        assert await refused(waggle.engage(ann, posts[0], Engagement.BOOKMARK, on=True)) is None
        await waggle.engage(ann, posts[0], Engagement.BOOKMARK, on=False)
        assert await refused(waggle.engage(ann, posts[3], Engagement.BOOKMARK, on=True)) is None
        assert await refused(waggle.engage(ann, posts[0], Engagement.BOOKMARK, on=True)) is TooManyBookmarks
        await waggle.delete(ann, posts[1])
        assert await refused(waggle.engage(ann, posts[0], Engagement.BOOKMARK, on=True)) is None


class TestPinning:
    async def test_pinned_posts_are_listed_the_last_pinned_first(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        old, _, new = [(await waggle.post(ann)).post.id for _ in range(3)]

        await waggle.pin(ann, new, on=True)
        done = await waggle.pin(ann, old, on=True)
        again = await waggle.pin(ann, new, on=True)

        assert done == again == reception(pinned=True)
        page = await waggle.pinned(bob, ann, Window(10))
        assert [seen.post.id for seen in page.items] == [old, new]
        assert all(seen.post.state.pinned for seen in page.items)

    async def test_unpinning_is_safe_to_repeat(self, waggle: Waggle, ann: UserId) -> None:
        post = (await waggle.post(ann)).post.id
        await waggle.pin(ann, post, on=True)

        assert await waggle.pin(ann, post, on=False) == await waggle.pin(ann, post, on=False) == reception()
        assert (await waggle.pinned(None, ann, Window(10))).items == []

    async def test_only_the_author_can_pin_a_post(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        post = (await waggle.post(ann)).post.id

        for on in (True, False):
            assert await refused(waggle.pin(bob, post, on=on)) is NotTheAuthor

    async def test_only_open_posts_that_are_not_comments_can_be_pinned(
        self, waggle: Waggle, ann: UserId
    ) -> None:
        post = (await waggle.post(ann)).post.id
        comment = (await waggle.post(ann, reply_to=post)).post.id
        direct = (await waggle.post_directly(ann)).post.id
        followers = (await waggle.post(ann, visibility=FOLLOWERS)).post.id

        for one in (comment, direct, followers):
            assert await refused(waggle.pin(ann, one, on=True)) is CannotPin

    async def test_a_sixth_pin_is_refused_until_one_is_unpinned_or_deleted(
        self, waggle: Waggle, ann: UserId
    ) -> None:
        posts = [(await waggle.post(ann)).post.id for _ in range(7)]
        for post in posts[:5]:
            await waggle.pin(ann, post, on=True)

        assert await refused(waggle.pin(ann, posts[5], on=True)) is TooManyPins
        assert (await waggle.read(ann, posts[5])).post.state.pinned is False
        await waggle.delete(ann, posts[0])
        await waggle.pin(ann, posts[5], on=True)
        assert await refused(waggle.pin(ann, posts[6], on=True)) is TooManyPins
        await waggle.pin(ann, posts[1], on=False)
        await waggle.pin(ann, posts[6], on=True)
        page = await waggle.pinned(None, ann, Window(10))
        assert [seen.post.id for seen in page.items] == [posts[number] for number in (6, 5, 4, 3, 2)]

    async def test_pinning_makes_no_new_version(self, waggle: Waggle, ann: UserId) -> None:
        post = await waggle.post(ann)

        await waggle.pin(ann, post.post.id, on=True)

        assert (await waggle.read(ann, post.post.id)).post.state.version == post.post.state.version


class TestLists:
    async def test_engaged_users_are_listed_newest_first(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).post.id
        for user in (bob, ann):
            await waggle.engage(user, post, Engagement.LIKE, on=True)
        await waggle.engage(bob, post, Engagement.REPOST, on=True)

        likes = await waggle.engaged_users(None, post, Engagement.LIKE, Window(10))
        reposts = await waggle.engaged_users(None, post, Engagement.REPOST, Window(10))

        assert [card.username for card in likes.items] == ["ann", "bob"]
        assert reposts.items == [AuthorCard(bob, "bob", "Bob")]

    async def test_deleted_accounts_are_left_out_and_the_list_goes_on(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).post.id
        for user in (bob, UserId(999), UserId(998)):
            await waggle.engage(user, post, Engagement.LIKE, on=True)

        first = await waggle.engaged_users(ann, post, Engagement.LIKE, Window(2))
        assert first.next is not None
        second = await waggle.engaged_users(ann, post, Engagement.LIKE, first.next)

        assert (first.items, [card.id for card in second.items], second.next) == ([], [bob], None)

    @COUNTED
    async def test_az5_engaged_users_of_a_hidden_post_cannot_be_listed(
        self, waggle: Waggle, ann: UserId, bob: UserId, engagement: Engagement
    ) -> None:
        hidden = (await waggle.post(ann, visibility=FOLLOWERS)).post.id

        for post in (hidden, NO_POST):
            assert await refused(waggle.engaged_users(bob, post, engagement, Window(10))) is PostNotFound

    @KINDS
    async def test_a_deleted_post_is_not_in_the_lists_of_engaged_posts(
        self, waggle: Waggle, ann: UserId, bob: UserId, engagement: Engagement
    ) -> None:
        kept, gone = [(await waggle.post(ann)).post.id for _ in range(2)]
        for post in (kept, gone):
            await waggle.engage(bob, post, engagement, on=True)
        await waggle.delete(ann, gone)

        page = await waggle.engaged_posts(bob, engagement, Window(10))

        assert [(seen.post.id, seen.author.username) for seen in page.items] == [(kept, "ann")]
        assert (await waggle.engaged_posts(ann, engagement, Window(10))).items == []


class TestRepair:
    async def test_di2_counters_have_no_drift_after_normal_use(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).post.id
        comment = (await waggle.post(bob, reply_to=post)).post.id
        for one in (post, comment):
            for engagement in Engagement:
                await waggle.engage(bob, one, engagement, on=True)
        await waggle.delete(bob, comment)

        assert set((await waggle.repair_posts(repair=False)).values()) == {0}
        assert await waggle.repair_accounts(repair=False) == 0
        await waggle.relay.deliver()
        assert await waggle.repair_accounts(repair=False) == 0
