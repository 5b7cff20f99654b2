"""The use cases of comments, direct posts and mentions."""

import asyncio

import pytest

from application.shared.events import Edited
from application.shared.paging import Window
from domain.posts import NobodyReached, PostNotFound, Visibility, WiderThanThread
from domain.shared import Invalid, PostId, UserId, ViewerContext
from tests.port_contracts.stores import a_post
from tests.unit.people import Waggle, refused

PUBLIC, UNLISTED, FOLLOWERS, DIRECT = Visibility
NO_POST = PostId(1)


class TestCommenting:
    async def test_a_comment_is_counted_and_listed(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        above = (await waggle.post(ann)).post.id

        one = await waggle.post(bob, "one", reply_to=above)
        two = await waggle.post(ann, "two", reply_to=above)

        assert (await waggle.read(bob, above)).post.state.comments == 2
        page = await waggle.comments(bob, above, Window(10))
        assert [comment.item for comment in page.items] == [
            await waggle.read(bob, seen.post.id) for seen in (one, two)
        ]

    async def test_comments_are_not_listed_among_the_posts_of_their_author(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        await waggle.post(bob, reply_to=(await waggle.post(ann)).post.id)

        assert list((await waggle.by_author(ann, bob, Window(10))).items) == []

    async def test_a_comment_has_the_audience_of_the_post(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post(ann, visibility=FOLLOWERS)).post.id

        assert (await waggle.post(ann, reply_to=above)).post.visibility is FOLLOWERS
        assert (await waggle.post(ann, "@bob", DIRECT, above)).post.visibility is DIRECT

    async def test_a_wider_comment_is_refused_and_not_counted(self, waggle: Waggle, ann: UserId) -> None:
        above = (await waggle.post(ann, visibility=UNLISTED)).post.id

        assert await refused(waggle.post(ann, visibility=PUBLIC, reply_to=above)) is WiderThanThread
        assert (await waggle.read(ann, above)).post.state.comments == 0

    async def test_a_hidden_post_cannot_be_commented_on(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        hidden = (await waggle.post(ann, visibility=FOLLOWERS)).post.id

        assert await refused(waggle.post(bob, reply_to=hidden)) is PostNotFound
        assert await refused(waggle.post(bob, reply_to=NO_POST)) is PostNotFound
        assert (await waggle.read(ann, hidden)).post.state.comments == 0

    async def test_a_deleted_post_cannot_be_commented_on_even_by_its_author(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        gone = (await waggle.post(ann)).post.id
        await waggle.delete(ann, gone)

        assert await refused(waggle.post(ann, reply_to=gone)) is PostNotFound
        assert await refused(waggle.post(bob, reply_to=gone)) is PostNotFound

    async def test_a_comment_that_races_with_the_deletion_comes_first_or_is_refused(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post(ann)).post.id

        deleted, *comments = await asyncio.gather(
            refused(waggle.delete(ann, above)),
            *(refused(waggle.post(bob, reply_to=above)) for _ in range(10)),
        )

        async with waggle.stores.posts.open_tx() as tx:
            tombstone = await tx.posts.get(above)
        assert deleted is None
        assert tombstone.comments == comments.count(None)
        assert set(comments) <= {None, PostNotFound}

    async def test_comments_of_a_hidden_or_deleted_post_cannot_be_listed(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post_directly(ann)).post.id
        public = (await waggle.post(ann)).post.id
        await waggle.delete(ann, public)

        assert await refused(waggle.comments(bob, above, Window(10))) is PostNotFound
        assert await refused(waggle.comments(None, above, Window(10))) is PostNotFound
        assert await refused(waggle.comments(ann, public, Window(10))) is PostNotFound
        assert await refused(waggle.comments(ann, above, Window(10))) is None

    async def test_a_direct_thread_keeps_its_people(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        cat = await waggle.new_user("cat")
        above = (await waggle.post(ann, "psst @bob", DIRECT)).post.id

        answer = await waggle.post(bob, "what about @cat?", reply_to=above)

        assert [card.id for card in answer.mentions] == [ann]
        assert (await waggle.read(ann, answer.post.id)).post == answer.post
        assert await refused(waggle.read(cat, answer.post.id)) is PostNotFound
        assert (await waggle.read(ann, above)).post.state.comments == 1

    async def test_a_narrow_answer_reaches_the_author_above(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post(ann)).post.id

        answer = await waggle.post(bob, "between us", DIRECT, above)

        assert await refused(waggle.read(ann, answer.post.id)) is None
        assert await refused(waggle.read(None, answer.post.id)) is PostNotFound


class TestReachingSomebody:
    @pytest.mark.parametrize(
        "text", ["psst", "psst @ann", "psst @nobody", "psst @bob@example.social", "psst @bob.example.social"]
    )
    async def test_a_direct_post_that_reaches_nobody_is_refused(
        self, waggle: Waggle, ann: UserId, bob: UserId, text: str
    ) -> None:
        before = await waggle.pending_events()

        assert await refused(waggle.post(ann, text, DIRECT)) is NobodyReached

        assert await waggle.pending_events() == before
        assert list((await waggle.by_author(ann, ann, Window(10))).items) == []

    async def test_blocked_and_deleted_recipients_are_refused_alike(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        cat = await waggle.new_user("cat")
        blocked = frozenset({bob, cat})
        waggle.graph.viewer_contexts[ann] = ViewerContext(ann, blocked=blocked)

        assert await refused(waggle.post(ann, "psst @bob @cat", DIRECT)) is NobodyReached
        await waggle.new_user("dan")
        assert await refused(waggle.post(ann, "psst @bob @dan", DIRECT)) is None

    async def test_a_comment_in_a_direct_thread_without_remaining_people_is_refused(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post(ann, "psst @bob", DIRECT)).post.id
        waggle.graph.viewer_contexts[ann] = ViewerContext(ann, blocked=frozenset({bob}))

        assert await refused(waggle.post(ann, "are you there?", reply_to=above)) is NobodyReached
        assert (await waggle.read(ann, above)).post.state.comments == 0

    async def test_a_direct_comment_on_one_s_own_open_post_is_refused(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post(ann)).post.id

        assert await refused(waggle.post(ann, "note", DIRECT, above)) is NobodyReached
        assert await refused(waggle.post(ann, "note to @bob", DIRECT, above)) is None
        assert await refused(waggle.post(bob, "between us", DIRECT, above)) is None

    async def test_an_edit_adds_people_only_while_nobody_was_reached(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        cat = await waggle.new_user("cat")
        above = a_post(author=ann, text="psst", visibility=DIRECT)  # stored before such posts were refused
        async with waggle.stores.posts.open_tx() as tx:
            await tx.posts.add(above)
        await waggle.edits(ann, above.id, "psst, nobody yet")
        assert await refused(waggle.read(bob, above.id)) is PostNotFound

        edited = await waggle.edits(ann, above.id, "psst @bob")
        told = (await waggle.pending_events())[-1]
        again = await waggle.edits(ann, above.id, "psst @bob and @cat")

        assert edited.post.state.mentioned == again.post.state.mentioned == (bob,)
        assert isinstance(told, Edited)
        assert told.mentioned_new == (bob,)
        assert (await waggle.read(bob, above.id)).post.content.text == "psst @bob and @cat"
        assert await refused(waggle.read(cat, above.id)) is PostNotFound

    async def test_an_edit_of_a_direct_comment_adds_nobody_outside_the_thread(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = a_post(author=ann, text="psst", visibility=DIRECT)
        comment = a_post(author=ann, text="psst", visibility=DIRECT, reply_to=above.id)
        async with waggle.stores.posts.open_tx() as tx:
            await tx.posts.add(above)
            await tx.posts.add(comment)

        edited = await waggle.edits(ann, comment.id, "psst @bob")

        assert edited.post.state.mentioned == ()
        assert await refused(waggle.read(bob, comment.id)) is PostNotFound


class TestMentioning:
    async def test_a_twenty_first_mention_is_refused_in_a_post_and_in_an_edit(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        text = " ".join(f"@user_{number}" for number in range(20))
        seen = await waggle.post(ann, text)

        for refusal in (waggle.post(ann, f"{text} @bob"), waggle.edits(ann, seen.post.id, f"{text} @bob")):
            with pytest.raises(Invalid) as caught:
                await refusal
            assert [(fault.field, fault.code) for fault in caught.value.field_errors] == [
                ("text", "too_many_mentions")
            ]
        assert await waggle.read(ann, seen.post.id) == seen

    async def test_a_mention_after_many_entities_is_not_left_out(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        seen = await waggle.post(ann, "https://a.example/ " * 101 + "@bob", DIRECT)

        assert seen.post.state.mentioned == (bob,)
