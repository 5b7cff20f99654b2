"""The use cases of posts."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.storage.signing import MediaAddresses
from application.posts.editing import PostEdit
from application.posts.publishing import PostDraft
from application.shared.errors import KeyReused, TokenInvalid
from application.shared.events import PostDeleted, Published
from application.shared.paging import Window
from application.shared.people import AuthorCard
from application.shared.ports import IdempotentRequest
from domain.posts import NotTheAuthor, PostNotFound, Visibility
from domain.shared import Invalid, PostId, UserId, UserNotFound
from entrypoints.http.shapes import PostOut
from tests.unit.people import Waggle, refused

PUBLIC, UNLISTED, FOLLOWERS, DIRECT = Visibility
NO_POST = PostId(1)


def an_idempotent_request(of: UserId, fingerprint: str = "fingerprint") -> IdempotentRequest:
    return IdempotentRequest(f"{of}:publish", "key", fingerprint)


PLACES = MediaAddresses(b"key", "http://waggle.test", lambda: 0.0)


class TestPublishing:
    async def test_the_answer_equals_the_post_that_is_read(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        draft = PostDraft(text=" hi @bob \r\n", content_warning=" stings ", language="pt-BR")

        published = await waggle.publish(ann, draft, None)

        row = published.hydrated.post
        assert (row.content.text, row.content.content_warning, row.content.language) == (
            "hi @bob",
            "stings",
            "pt-BR",
        )
        assert (row.visibility, row.reply_to, row.state.likes, row.state.comments) == (PUBLIC, None, 0, 0)
        assert published.hydrated.author == AuthorCard(ann, "ann", "Ann")
        assert published.hydrated.mentions == [AuthorCard(bob, "bob", "Bob")]
        assert await waggle.read(ann, row.id) == published.hydrated
        assert await waggle.read(None, row.id) == published.hydrated._replace(viewer=None)

    async def test_mentions_are_in_the_same_order_in_the_answer_and_in_reads(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        cat = await waggle.new_user("cat")

        seen = await waggle.post(ann, "@cat @bob @nobody @ann")

        assert {card.id for card in seen.mentions} == {ann, bob, cat}
        assert await waggle.read(ann, seen.post.id) == seen

    async def test_publishing_adds_an_event(self, waggle: Waggle, ann: UserId) -> None:
        seen = await waggle.post(ann, visibility=UNLISTED)

        expected = Published(
            post_id=seen.post.id, author_id=ann, reply_to=None, visibility="unlisted", mentioned=()
        )
        assert (await waggle.pending_events())[-1] == expected

    async def test_all_field_errors_are_reported_at_once_and_nothing_is_published(
        self, waggle: Waggle, ann: UserId
    ) -> None:
        before = await waggle.pending_events()

        with pytest.raises(Invalid) as caught:
            await waggle.publish(ann, PostDraft(text=" ", content_warning="x" * 201, language="?"), None)

        assert [fault.field for fault in caught.value.field_errors] == ["text", "content_warning", "language"]
        assert await waggle.pending_events() == before

    async def test_a_repeated_request_gets_the_same_answer_and_publishes_nothing(
        self, waggle: Waggle, ann: UserId
    ) -> None:
        first = await waggle.publish_text(ann, idempotent_request=an_idempotent_request(ann))
        second = await waggle.publish_text(ann, idempotent_request=an_idempotent_request(ann))

        assert second == replace(first, replayed=True)
        page = await waggle.by_author(ann, ann, Window(10))
        assert [seen.post.id for seen in page.items] == [first.hydrated.post.id]

    async def test_a_replay_has_the_first_answer_whatever_changed_since(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        first = await waggle.publish_text(ann, "hi @bob", idempotent_request=an_idempotent_request(ann))
        await waggle.like(bob, first.hydrated.post.id, liked=True)
        await waggle.post(bob, reply_to=first.hydrated.post.id)
        await waggle.edit_profile(ann, "Another Ann", None, None)
        await waggle.edit_profile(bob, "Another Bob", None, None)
        await waggle.edits(ann, first.hydrated.post.id, "bye")
        await waggle.edits(ann, first.hydrated.post.id, "gone")
        waggle.time.advance(timedelta(minutes=1))

        second = await waggle.publish_text(ann, "hi @bob", idempotent_request=an_idempotent_request(ann))

        assert second.replayed
        assert PostOut.of(second.hydrated, PLACES) == PostOut.of(first.hydrated, PLACES)

    async def test_a_replay_has_the_first_answer_after_the_post_above_was_deleted(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post(bob)).post.id
        first = await waggle.publish_text(ann, reply_to=above, idempotent_request=an_idempotent_request(ann))
        await waggle.delete(bob, above)

        second = await waggle.publish_text(ann, reply_to=above, idempotent_request=an_idempotent_request(ann))

        assert second == replace(first, replayed=True)

    async def test_a_replay_does_not_return_a_deleted_post(self, waggle: Waggle, ann: UserId) -> None:
        first = await waggle.publish_text(ann, idempotent_request=an_idempotent_request(ann))
        await waggle.delete(ann, first.hydrated.post.id)

        assert (
            await refused(waggle.publish_text(ann, idempotent_request=an_idempotent_request(ann)))
            is PostNotFound
        )
        assert list((await waggle.by_author(ann, ann, Window(10))).items) == []

    async def test_the_token_of_a_deleted_account_publishes_nothing(self, waggle: Waggle) -> None:
        assert await refused(waggle.publish_text(UserId(1))) is TokenInvalid

    async def test_the_idempotency_key_of_another_request_is_refused(
        self, waggle: Waggle, ann: UserId
    ) -> None:
        await waggle.publish_text(ann, idempotent_request=an_idempotent_request(ann))

        assert (
            await refused(waggle.publish_text(ann, idempotent_request=an_idempotent_request(ann, "other")))
            is KeyReused
        )

    async def test_fifty_concurrent_attempts_publish_one_post(self, waggle: Waggle, ann: UserId) -> None:
        answers = await asyncio.gather(
            *(waggle.publish_text(ann, idempotent_request=an_idempotent_request(ann)) for _ in range(50))
        )

        assert len({answer.hydrated.post.id for answer in answers}) == 1
        assert [answer.replayed for answer in answers].count(False) == 1
        assert len((await waggle.by_author(ann, ann, Window(100))).items) == 1


class TestLanguages:
    async def test_a_language_is_stored_in_its_usual_case(self, waggle: Waggle, ann: UserId) -> None:
        seen = (await waggle.publish(ann, PostDraft(text="oi", language="PT-br"), None)).hydrated
        edited = await waggle.edit(ann, seen.post.id, PostEdit(language="zh-HANT-tw"), None)

        assert (seen.post.content.language, edited.post.content.language) == ("pt-BR", "zh-Hant-TW")


class TestDeleting:
    async def test_a_deleted_post_is_gone_for_everybody(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        post = (await waggle.post(ann)).post.id

        await waggle.delete(ann, post)

        for viewer in (ann, bob, None):
            assert await refused(waggle.read(viewer, post)) is PostNotFound
            assert list((await waggle.by_author(viewer, ann, Window(10))).items) == []

    async def test_deleting_twice_adds_one_event(self, waggle: Waggle, ann: UserId) -> None:
        post = (await waggle.post(ann)).post.id
        before = len(await waggle.pending_events())

        await waggle.delete(ann, post)
        await waggle.delete(ann, post)

        assert (await waggle.pending_events())[before:] == [
            PostDeleted(post_id=post, author_id=ann, reply_to=None, visibility="public")
        ]

    async def test_only_the_author_can_delete_a_post(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        post = await waggle.post(ann)

        assert await refused(waggle.delete(bob, post.post.id)) is NotTheAuthor
        assert await waggle.read(ann, post.post.id) == post

    async def test_deleting_a_hidden_post_answers_as_if_there_were_none(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        hidden = (await waggle.post_directly(ann)).post.id
        gone = (await waggle.post(ann)).post.id
        await waggle.delete(ann, gone)

        for post in (hidden, gone, NO_POST):
            assert await refused(waggle.delete(bob, post)) is PostNotFound
        assert await refused(waggle.read(ann, hidden)) is None

    async def test_a_deleted_comment_is_no_longer_counted(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post(ann)).post.id
        comment = (await waggle.post(bob, reply_to=above)).post.id

        await asyncio.gather(*(waggle.delete(bob, comment) for _ in range(3)))

        assert (await waggle.read(ann, above)).post.state.comments == 0

    async def test_a_comment_outlives_the_post_and_can_still_be_deleted(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        above = (await waggle.post(ann)).post.id
        comment = (await waggle.post(bob, reply_to=above)).post.id
        await waggle.delete(ann, above)

        read = await refused(waggle.read(ann, comment))
        await waggle.delete(bob, comment)

        assert read is None
        assert await refused(waggle.read(bob, comment)) is PostNotFound


class TestReading:
    async def test_a_hidden_post_is_not_found(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        hidden = (await waggle.post(ann, visibility=FOLLOWERS)).post.id

        assert await refused(waggle.read(bob, hidden)) is PostNotFound
        assert await refused(waggle.read(None, hidden)) is PostNotFound
        assert await refused(waggle.read(ann, hidden)) is None

    async def test_a_mentioned_user_sees_a_direct_post(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        direct = await waggle.post(ann, "psst @bob", DIRECT)

        assert (await waggle.read(bob, direct.post.id)).post == direct.post

    async def test_a_page_shows_only_posts_that_the_viewer_may_see(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        posts = [(await waggle.post(ann, visibility=one)).post.id for one in (PUBLIC, UNLISTED, FOLLOWERS)]
        posts.append((await waggle.post_directly(ann)).post.id)

        async def seen_by(viewer: UserId | None) -> list[PostId]:
            return [seen.post.id for seen in (await waggle.by_author(viewer, ann, Window(10))).items][::-1]

        assert await seen_by(ann) == posts
        assert await seen_by(bob) == posts[:2]
        assert await seen_by(None) == posts[:2]

    async def test_an_unknown_user_has_no_page(self, waggle: Waggle) -> None:
        assert await refused(waggle.by_author(None, UserId(1), Window(10))) is UserNotFound

    async def test_a_new_name_is_shown_after_its_event(self, waggle: Waggle, ann: UserId) -> None:
        post = (await waggle.post(ann)).post.id
        await waggle.edit_profile(ann, "Anna", None, None)

        await waggle.relay.deliver()

        assert (await waggle.read(None, post)).author.display_name == "Anna"

    async def test_a_new_name_is_shown_after_a_second_without_its_event(
        self, waggle: Waggle, ann: UserId
    ) -> None:
        post = (await waggle.post(ann)).post.id
        await waggle.edit_profile(ann, "Anna", None, None)

        waggle.time.advance(timedelta(seconds=1))

        assert (await waggle.read(None, post)).author.display_name == "Anna"


class TestCounting:
    async def test_counts_include_only_open_posts(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        above = (await waggle.post(ann)).post.id
        for visibility in Visibility:
            await waggle.post(ann, "@bob", visibility)
            await waggle.post(bob, visibility=visibility, reply_to=above)

        await waggle.relay.deliver()

        assert (await waggle.read_profile(ann)).posts == 3, "the post, and of the four the open two"
        assert (await waggle.read(bob, above)).post.state.comments == 2

    async def test_deleting_reduces_the_count_once(self, waggle: Waggle, ann: UserId, bob: UserId) -> None:
        above = (await waggle.post(ann)).post.id
        for visibility in Visibility:
            post = (await waggle.post(ann, "@bob", visibility)).post.id
            comment = (await waggle.post(bob, visibility=visibility, reply_to=above)).post.id
            await waggle.delete(ann, post)
            await waggle.delete(bob, comment)

        await waggle.relay.deliver()

        assert (await waggle.read_profile(ann)).posts == 1
        assert (await waggle.read(bob, above)).post.state.comments == 0

    async def test_a_profile_counts_posts_but_not_comments(
        self, waggle: Waggle, ann: UserId, bob: UserId
    ) -> None:
        posts = [(await waggle.post(ann)).post.id for _ in range(3)]
        await waggle.post(ann, reply_to=(await waggle.post(bob)).post.id)
        await waggle.delete(ann, posts[0])

        await waggle.relay.deliver()

        assert (await waggle.read_profile(ann)).posts == 2
        assert (await waggle.read_profile(bob)).posts == 1

    async def test_an_event_that_comes_twice_is_counted_once(self, waggle: Waggle, ann: UserId) -> None:
        await waggle.post(ann)
        queue = waggle.stores.queue
        claimed = await queue.claim_events(100, timedelta(minutes=1))
        for delivery in claimed:
            for one in waggle.subscriptions:
                if one.event_type is type(delivery.event):
                    await one.handle(delivery.event, delivery.event_id, None)
        await queue.release(claimed)  # died before it could say so

        await waggle.relay.deliver()

        assert (await waggle.read_profile(ann)).posts == 1
