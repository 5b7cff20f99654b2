"""Likes, reposts, bookmarks and pins, as people use them."""

import asyncio

import pytest

from application.posts import marking
from application.posts.marking import Reception
from application.shared.events import Event, Liked, Reposted, Unliked, Unreposted
from application.shared.paging import Window
from application.shared.people import AuthorCard
from domain.posts import (
    CannotPin,
    CannotRepost,
    Mark,
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
MARKS = pytest.mark.parametrize("mark", Mark)
COUNTED = pytest.mark.parametrize("mark", [Mark.LIKE, Mark.REPOST])


@pytest.fixture
async def ann(waggle: Waggle) -> UserId:
    return await waggle.somebody("ann")


@pytest.fixture
async def bob(waggle: Waggle) -> UserId:
    return await waggle.somebody("bob")


def reception(*marks: Mark, likes: int = 0, reposts: int = 0, pinned: bool = False) -> Reception:
    return Reception(comments=0, likes=likes, reposts=reposts, marks=frozenset(marks), pinned=pinned)


class TestMarking:
    @COUNTED
    async def test_di1_a_mark_is_counted_once_and_told_once(
        self, waggle: Waggle, ann: UserId, bob: UserId, mark: Mark
    ) -> None:
        post = (await waggle.post(ann)).row.id
        before = len(await waggle.told())

        first = await waggle.mark(bob, post, mark, on=True)
        second = await waggle.mark(bob, post, mark, on=True)

        assert first == second == reception(mark, likes=mark is Mark.LIKE, reposts=mark is Mark.REPOST)
        (event,) = (await waggle.told())[before:]
        assert isinstance(event, Liked if mark is Mark.LIKE else Reposted)
        assert (event.post_id, event.author_id, event.user_id) == (post, ann, bob)

    @COUNTED
    async def test_di3_a_mark_is_deducted_once_and_told_once(
        self, waggle: Waggle, ann: UserId, bob: UserId, mark: Mark
    ) -> None:
        post = (await waggle.post(ann)).row.id
        for user in (ann, bob):
            await waggle.mark(user, post, mark, on=True)
        before = len(await waggle.told())

        first = await waggle.mark(bob, post, mark, on=False)
        second = await waggle.mark(bob, post, mark, on=False)

        assert first == second == reception(likes=mark is Mark.LIKE, reposts=mark is Mark.REPOST)
        (event,) = (await waggle.told())[before:]
        assert isinstance(event, Unliked if mark is Mark.LIKE else Unreposted)

    async def test_a_repost_taken_back_is_the_one_that_was_made(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).row.id
        for on in (True, False, True):
            await waggle.mark(bob, post, Mark.REPOST, on=on)

        reposts = [
            event.repost_id for event in await waggle.told() if isinstance(event, Reposted | Unreposted)
        ]
        assert reposts[0] == reposts[1] < reposts[2]

    async def test_of_a_bookmark_nobody_hears(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        post = (await waggle.post(ann)).row.id
        before: list[Event | None] = await waggle.told()

        done = await waggle.mark(bob, post, Mark.BOOKMARK, on=True)

        assert done == reception(Mark.BOOKMARK)
        assert await waggle.told() == before
        assert (await waggle.read(ann, post)).row.bookmarked is False

    async def test_the_answer_tells_all_that_the_viewer_has_left(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).row.id
        for mark in Mark:
            await waggle.mark(bob, post, mark, on=True)

        done = await waggle.mark(bob, post, Mark.LIKE, on=False)

        assert done == reception(Mark.REPOST, Mark.BOOKMARK, reposts=1)

    @MARKS
    async def test_az5_what_one_may_not_see_one_cannot_mark(
        self, waggle: Waggle, ann: UserId, bob: UserId, mark: Mark
    ) -> None:
        hidden = (await waggle.post(ann, visibility=FOLLOWERS)).row.id
        gone = (await waggle.post(ann)).row.id
        await waggle.delete(ann, gone)
        before = await waggle.told()

        for post in (hidden, gone, NO_POST):
            for on in (True, False):
                assert await refused(waggle.mark(bob, post, mark, on=on)) is PostNotFound
                assert await refused(waggle.pin(bob, post, on=on)) is PostNotFound
        row = (await waggle.read(ann, hidden)).row
        assert (row.likes, row.reposts) == (0, 0)
        assert await waggle.told() == before

    @MARKS
    async def test_a_mark_is_taken_back_from_a_hidden_post_and_counts_are_told_if_they_are_public(
        self, waggle: Waggle, ann: UserId, bob: UserId, mark: Mark
    ) -> None:
        cat = await waggle.somebody("cat")
        post = (await waggle.post(ann)).row.id
        for user in (bob, cat):
            await waggle.mark(user, post, mark, on=True)
        waggle.graph.block(ann, bob)
        after = reception(likes=mark is Mark.LIKE, reposts=mark is Mark.REPOST)

        for _ in range(2):
            assert await waggle.mark(bob, post, mark, on=False) == after
        row = (await waggle.read(ann, post)).row
        assert (row.likes, row.reposts) == (after.likes, after.reposts)
        assert await refused(waggle.mark(bob, post, mark, on=True)) is PostNotFound

        await waggle.delete(ann, post)
        for user in (bob, cat, cat):
            assert await waggle.mark(user, post, mark, on=False) == reception()

    async def test_only_what_everybody_may_see_can_be_reposted(self, waggle: Waggle, ann: UserId) -> None:
        hidden = [await waggle.posts_in_confidence(ann), await waggle.post(ann, visibility=FOLLOWERS)]
        for post in [seen.row.id for seen in hidden]:
            assert await refused(waggle.mark(ann, post, Mark.REPOST, on=True)) is CannotRepost
            assert await waggle.mark(ann, post, Mark.REPOST, on=False) == reception()
        post = (await waggle.post(ann, visibility=UNLISTED)).row.id
        assert await waggle.mark(ann, post, Mark.REPOST, on=True) == reception(Mark.REPOST, reposts=1)

    @COUNTED
    async def test_di2_fifty_who_mark_three_times_at_once_are_fifty(
        self, waggle: Waggle, ann: UserId, mark: Mark
    ) -> None:
        post = (await waggle.post(ann)).row.id
        fans = [UserId(1000 + number) for number in range(50)]

        await asyncio.gather(*(waggle.mark(fan, post, mark, on=True) for fan in fans * 3))
        marked = (await waggle.read(ann, post)).row
        await asyncio.gather(*(waggle.mark(fan, post, mark, on=False) for fan in fans * 3))
        after = (await waggle.read(ann, post)).row

        assert marked.likes + marked.reposts == 50
        assert after.likes + after.reposts == 0

    async def test_bookmarks_are_bounded(
        self, waggle: Waggle, ann: UserId, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(marking, "MAX_BOOKMARKS", 3)
        posts = [(await waggle.post(ann)).row.id for _ in range(4)]
        for post in posts[:3]:
            await waggle.mark(ann, post, Mark.BOOKMARK, on=True)

        assert await refused(waggle.mark(ann, posts[3], Mark.BOOKMARK, on=True)) is TooManyBookmarks
        assert (await waggle.read(ann, posts[3])).row.bookmarked is False
        assert await refused(waggle.mark(ann, posts[0], Mark.BOOKMARK, on=True)) is None
        await waggle.mark(ann, posts[0], Mark.BOOKMARK, on=False)
        assert await refused(waggle.mark(ann, posts[3], Mark.BOOKMARK, on=True)) is None
        assert await refused(waggle.mark(ann, posts[0], Mark.BOOKMARK, on=True)) is TooManyBookmarks
        await waggle.delete(ann, posts[1])
        assert await refused(waggle.mark(ann, posts[0], Mark.BOOKMARK, on=True)) is None


class TestPinning:
    async def test_pinned_posts_are_listed_the_last_pinned_first(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        old, _, new = [(await waggle.post(ann)).row.id for _ in range(3)]

        await waggle.pin(ann, new, on=True)
        done = await waggle.pin(ann, old, on=True)
        again = await waggle.pin(ann, new, on=True)

        assert done == again == reception(pinned=True)
        page = await waggle.pinned(bob, ann, Window(10))
        assert [seen.row.id for seen in page.items] == [old, new]
        assert all(seen.row.pinned for seen in page.items)

    async def test_unpinning_is_harmless_to_repeat(self, waggle: Waggle, ann: UserId) -> None:
        post = (await waggle.post(ann)).row.id
        await waggle.pin(ann, post, on=True)

        assert await waggle.pin(ann, post, on=False) == await waggle.pin(ann, post, on=False) == reception()
        assert (await waggle.pinned(None, ann, Window(10))).items == []

    async def test_only_the_author_pins(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        post = (await waggle.post(ann)).row.id

        for on in (True, False):
            assert await refused(waggle.pin(bob, post, on=on)) is NotTheAuthor

    async def test_only_open_posts_that_are_no_comments_are_pinned(self, waggle: Waggle, ann: UserId) -> None:
        post = (await waggle.post(ann)).row.id
        comment = (await waggle.post(ann, reply_to=post)).row.id
        direct = (await waggle.posts_in_confidence(ann)).row.id
        followers = (await waggle.post(ann, visibility=FOLLOWERS)).row.id

        for one in (comment, direct, followers):
            assert await refused(waggle.pin(ann, one, on=True)) is CannotPin

    async def test_a_sixth_is_refused_until_one_is_unpinned_or_deleted(
        self, waggle: Waggle, ann: UserId
    ) -> None:
        posts = [(await waggle.post(ann)).row.id for _ in range(7)]
        for post in posts[:5]:
            await waggle.pin(ann, post, on=True)

        assert await refused(waggle.pin(ann, posts[5], on=True)) is TooManyPins
        assert (await waggle.read(ann, posts[5])).row.pinned is False
        await waggle.delete(ann, posts[0])
        await waggle.pin(ann, posts[5], on=True)
        assert await refused(waggle.pin(ann, posts[6], on=True)) is TooManyPins
        await waggle.pin(ann, posts[1], on=False)
        await waggle.pin(ann, posts[6], on=True)
        page = await waggle.pinned(None, ann, Window(10))
        assert [seen.row.id for seen in page.items] == [posts[number] for number in (6, 5, 4, 3, 2)]

    async def test_a_pin_does_not_get_in_the_way_of_an_edit(self, waggle: Waggle, ann: UserId) -> None:
        post = await waggle.post(ann)

        await waggle.pin(ann, post.row.id, on=True)

        assert (await waggle.read(ann, post.row.id)).row.version == post.row.version


class TestLists:
    async def test_who_marked_is_told_newest_first(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        post = (await waggle.post(ann)).row.id
        for user in (bob, ann):
            await waggle.mark(user, post, Mark.LIKE, on=True)
        await waggle.mark(bob, post, Mark.REPOST, on=True)

        likes = await waggle.who_marked(None, post, Mark.LIKE, Window(10))
        reposts = await waggle.who_marked(None, post, Mark.REPOST, Window(10))

        assert [card.username for card in likes.items] == ["ann", "bob"]
        assert reposts.items == [AuthorCard(bob, "bob", "Bob")]

    async def test_people_who_are_gone_are_left_out_and_the_list_goes_on(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).row.id
        for user in (bob, UserId(999), UserId(998)):
            await waggle.mark(user, post, Mark.LIKE, on=True)

        first = await waggle.who_marked(ann, post, Mark.LIKE, Window(2))
        assert first.next is not None
        second = await waggle.who_marked(ann, post, Mark.LIKE, first.next)

        assert (first.items, [card.id for card in second.items], second.next) == ([], [bob], None)

    @COUNTED
    async def test_az5_who_marked_what_one_may_not_see_is_not_told(
        self, waggle: Waggle, ann: UserId, bob: UserId, mark: Mark
    ) -> None:
        hidden = (await waggle.post(ann, visibility=FOLLOWERS)).row.id

        for post in (hidden, NO_POST):
            assert await refused(waggle.who_marked(bob, post, mark, Window(10))) is PostNotFound

    @MARKS
    async def test_a_post_that_was_marked_and_deleted_is_not_listed(
        self, waggle: Waggle, ann: UserId, bob: UserId, mark: Mark
    ) -> None:
        kept, gone = [(await waggle.post(ann)).row.id for _ in range(2)]
        for post in (kept, gone):
            await waggle.mark(bob, post, mark, on=True)
        await waggle.delete(ann, gone)

        page = await waggle.marked(bob, mark, Window(10))

        assert [(seen.row.id, seen.author.username) for seen in page.items] == [(kept, "ann")]
        assert (await waggle.marked(ann, mark, Window(10))).items == []


class TestRepair:
    async def test_di2_a_sound_community_has_no_drift(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        post = (await waggle.post(ann)).row.id
        comment = (await waggle.post(bob, reply_to=post)).row.id
        for one in (post, comment):
            for mark in Mark:
                await waggle.mark(bob, one, mark, on=True)
        await waggle.delete(bob, comment)

        assert set((await waggle.repair_posts(repair=False)).values()) == {0}
        assert await waggle.repair_accounts(repair=False) == 0
        await waggle.relay.deliver()
        assert await waggle.repair_accounts(repair=False) == 0
