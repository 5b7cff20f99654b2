"""Posts with media: what can be attached, and when others see the post."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace

import pytest

from application.media.event_handlers import DeletePostMedia
from application.media.removing import PurgeMedia
from application.posts.editing import PostEdit
from application.posts.publishing import PostDraft
from application.posts.queries import HydratedPost
from application.shared.events import AttachedMediaChanged, Edited, MediaAttached, PostDeleted, Published
from application.shared.paging import Window
from application.shared.ports import IdempotentRequest
from domain.media import FailureReason, Media, MediaKind, MediaState, ProcessingResult, Rendition
from domain.posts import MediaTaken, NotTheAuthor, PostNotFound, Visibility
from domain.shared import EventId, FieldError, Invalid, MediaId, PostId, Stale, UserId
from tests.port_contracts.stores import new_id
from tests.unit.people import Waggle, refused, waggle_in_memory

RESULT = ProcessingResult(
    kind=MediaKind.IMAGE,
    width=4,
    height=3,
    blurhash="L00000fQfQfQfQfQfQfQfQfQfQfQ",
    renditions=(Rendition(name="large", type="image/webp", width=4, height=3, bytes=9),),
)


@pytest.fixture
async def waggle() -> AsyncIterator[Waggle]:
    async with waggle_in_memory() as some:
        yield some


async def delivered(waggle: Waggle) -> None:
    while await waggle.relay.deliver():
        pass


async def faulty(work: Awaitable[object]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        await work
    return caught.value


def an_idempotent_request(user: UserId) -> IdempotentRequest:
    return IdempotentRequest("posts", "a key", "a print", user)


async def uploads(
    waggle: Waggle, owner: UserId, state: MediaState = MediaState.PROCESSING, **more: object
) -> Media:
    media = Media(id=MediaId(new_id()), owner=owner, secret="s" * 22, state=state, bytes=9, **more)  # type: ignore[arg-type]
    if state is MediaState.READY:
        media = replace(media, result=RESULT)
    async with waggle.stores.media.open_tx() as tx:
        await tx.media.add(media)
    return media


async def settles(waggle: Waggle, media: Media, outcome: ProcessingResult | FailureReason = RESULT) -> None:
    """Settles the media as the worker does, and delivers the events that follow."""
    async with waggle.stores.media.open_tx() as tx:
        now = await tx.media.get(media.id)
        now = now.ready(outcome) if isinstance(outcome, ProcessingResult) else now.failed(outcome)
        await tx.media.save(now)
        if now.post is not None:
            told = AttachedMediaChanged(
                media_id=now.id, post_id=now.post, owner_id=now.owner, version=now.version
            )
            await tx.outbox.add(told)
    await delivered(waggle)


async def publishes(
    waggle: Waggle, author: UserId, *media: Media, text: str = "look", **more: object
) -> PostId:
    draft = PostDraft(text=text, media=tuple(one.id for one in media), **more)  # type: ignore[arg-type]
    done = await waggle.publish(author, draft, None)
    return done.hydrated.post.id


async def sees(waggle: Waggle, viewer: UserId | None, post: PostId) -> HydratedPost | None:
    try:
        return await waggle.read(viewer, post)
    except PostNotFound:
        return None


async def test_ready_media_are_shown_at_once_in_their_order(waggle: Waggle, ann: UserId, bob: UserId) -> None:
    some = [await uploads(waggle, ann, MediaState.READY) for _ in range(4)]
    post = await publishes(waggle, ann, *reversed(some), text="")
    seen = await sees(waggle, bob, post)
    assert seen is not None
    assert [card.id for card in seen.post.content.media] == [one.id for one in reversed(some)]
    assert [event for event in await waggle.pending_events() if isinstance(event, Published)]


async def test_a_pending_post_is_visible_to_its_author_only_until_it_is_published(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    above = await publishes(waggle, bob, text="show us")
    one, two = await uploads(waggle, ann), await uploads(waggle, ann)
    post = await publishes(waggle, ann, one, two, text="hi @bob", reply_to=above)
    await delivered(waggle)
    await settles(waggle, two)
    mine = await sees(waggle, ann, post)
    assert mine is not None
    assert mine.post.content.pending_visibility is Visibility.PUBLIC
    assert [card.state for card in mine.post.content.media] == ["processing", "ready"]
    assert await sees(waggle, bob, post) is None
    assert await sees(waggle, None, post) is None
    assert (await waggle.read(bob, above)).post.state.comments == 0

    await settles(waggle, one)
    seen = await sees(waggle, bob, post)
    assert seen is not None
    assert (seen.post.visibility, seen.post.state.mentioned) == (Visibility.PUBLIC, (bob,))
    assert [card.state for card in seen.post.content.media] == ["ready", "ready"]
    assert (await waggle.read(bob, above)).post.state.comments == 1


@pytest.mark.parametrize("visibility", Visibility)
async def test_a_pending_post_never_has_a_wider_audience_than_the_published_one(
    waggle: Waggle, ann: UserId, bob: UserId, visibility: Visibility
) -> None:
    media = await uploads(waggle, ann)
    post = await publishes(waggle, ann, media, text="psst @bob", visibility=visibility)
    await delivered(waggle)
    assert await sees(waggle, bob, post) is None
    await settles(waggle, media)
    seen = await sees(waggle, bob, post)
    assert seen is not None  # a mentioned user sees it whatever its visibility
    assert seen.post.visibility is visibility
    stranger = await sees(waggle, None, post)
    assert (stranger is not None) == (visibility in {Visibility.PUBLIC, Visibility.UNLISTED})


async def test_media_that_become_ready_while_the_post_is_written_publish_it(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    media = await uploads(waggle, ann)
    post = await publishes(waggle, ann, media)  # it read the media before the change
    async with waggle.stores.media.open_tx() as tx:
        await tx.media.save((await tx.media.get(media.id)).ready(RESULT))
    await delivered(waggle)
    assert await sees(waggle, bob, post) is not None


async def test_a_post_with_failed_media_stays_pending_and_shows_its_author_the_reason(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    media = await uploads(waggle, ann)
    post = await publishes(waggle, ann, media)
    await delivered(waggle)
    await settles(waggle, media, FailureReason.DAMAGED)
    mine = await sees(waggle, ann, post)
    assert mine is not None
    assert [(card.state, card.reason) for card in mine.post.content.media] == [("failed", "damaged")]
    assert await sees(waggle, bob, post) is None
    await waggle.delete(ann, post)
    assert await sees(waggle, ann, post) is None


async def test_removing_failed_media_publishes_the_post_once(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    above = await publishes(waggle, bob, text="show us")
    failed, good = await uploads(waggle, ann), await uploads(waggle, ann, MediaState.READY)
    post = await publishes(waggle, ann, failed, good, text="hi @bob", reply_to=above)
    await delivered(waggle)
    await settles(waggle, failed, FailureReason.DAMAGED)
    assert await sees(waggle, bob, post) is None

    await waggle.edit(ann, post, PostEdit(media=(good.id,)), 1)
    assert [event for event in await waggle.pending_events() if isinstance(event, Published | Edited)] == [
        Published(
            post_id=post, author_id=ann, reply_to=above, visibility="public", hashtags=(), mentioned=(bob,)
        )
    ]
    await delivered(waggle)

    seen = await sees(waggle, bob, post)
    assert seen is not None
    assert (seen.post.visibility, seen.post.state.mentioned, seen.post.state.version) == (
        Visibility.PUBLIC,
        (bob,),
        2,
    )
    assert [card.id for card in seen.post.content.media] == [good.id]
    assert (await waggle.read(bob, above)).post.state.comments == 1
    assert await waggle.stores.media.reader.media([failed.id]) == {}


async def test_a_post_stays_pending_while_a_remaining_media_is_not_ready(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    failed, late = await uploads(waggle, ann), await uploads(waggle, ann)
    post = await publishes(waggle, ann, failed, late)
    await delivered(waggle)
    await settles(waggle, failed, FailureReason.DAMAGED)
    await waggle.edit(ann, post, PostEdit(media=(late.id,)), None)
    await delivered(waggle)
    assert await sees(waggle, bob, post) is None
    await settles(waggle, late)
    assert await sees(waggle, bob, post) is not None


async def test_media_can_be_removed_and_reordered_but_not_added(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    one, two, three, other = [await uploads(waggle, ann, MediaState.READY) for _ in range(4)]
    post = await publishes(waggle, ann, one, two, three)
    await delivered(waggle)

    async def has(*media: Media) -> int:
        seen = await waggle.read(bob, post)
        assert [card.id for card in seen.post.content.media] == [each.id for each in media]
        return seen.post.state.version

    await waggle.edit(ann, post, PostEdit(media=(three.id, one.id, two.id)), 1)
    assert await has(three, one, two) == 2
    await waggle.edit(ann, post, PostEdit(media=(three.id, one.id, two.id)), 2)
    assert await has(three, one, two) == 2  # nothing changed
    for media, code in (((one.id, other.id), "media_not_in_post"), ((one.id, one.id), "twice")):
        error = await faulty(waggle.edit(ann, post, PostEdit(media=media), None))
        assert [(fault.field, fault.code) for fault in error.field_errors] == [("media_ids", code)]
    await waggle.edit(ann, post, PostEdit(text="two of them", media=(two.id, three.id)), 2)
    await delivered(waggle)
    assert await has(two, three) == 3
    assert [*await waggle.stores.media.reader.media([one.id, two.id])] == [two.id]
    assert await refused(waggle.edit(ann, post, PostEdit(media=()), 2)) is Stale
    assert await refused(waggle.edit(bob, post, PostEdit(media=()), None)) is NotTheAuthor
    await waggle.edit(ann, post, PostEdit(media=()), None)
    await delivered(waggle)
    assert await has() == 4
    assert await waggle.stores.media.reader.media([two.id, three.id]) == {}


async def test_the_last_media_cannot_be_removed_from_a_post_without_text(waggle: Waggle, ann: UserId) -> None:
    media = await uploads(waggle, ann, MediaState.READY)
    post = await publishes(waggle, ann, media, text="")
    error = await faulty(waggle.edit(ann, post, PostEdit(media=()), None))
    assert error.field_errors == (FieldError("text", "empty", "text must not be empty"),)
    await waggle.edit(ann, post, PostEdit(text="words instead", media=()), None)
    assert (await waggle.read(ann, post)).post.content.media == ()


async def test_an_edit_of_a_pending_post_is_published_with_it(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    media = await uploads(waggle, ann)
    post = await publishes(waggle, ann, media, visibility=Visibility.FOLLOWERS)
    await delivered(waggle)
    await waggle.edits(ann, post, "now for @bob")
    assert await sees(waggle, bob, post) is None
    await settles(waggle, media)
    seen = await sees(waggle, bob, post)
    assert seen is not None
    assert (seen.post.content.text, seen.post.visibility) == ("now for @bob", Visibility.FOLLOWERS)


async def test_events_that_come_twice_or_late_change_nothing(waggle: Waggle, ann: UserId) -> None:
    media = await uploads(waggle, ann)
    post = await publishes(waggle, ann, media)
    await delivered(waggle)
    await settles(waggle, media)
    before = await waggle.read(ann, post)
    told = AttachedMediaChanged(media_id=media.id, post_id=post, owner_id=ann, version=2)
    attached = MediaAttached(post_id=post, author_id=ann, media_ids=(media.id,), open=True)
    async with waggle.stores.media.open_tx() as tx:
        await tx.outbox.add(told)
        await tx.outbox.add(attached)
    await delivered(waggle)
    after = await waggle.read(ann, post)
    assert [card.state for card in after.post.content.media] == ["ready"]
    assert after.post.visibility is before.post.visibility
    assert (await waggle.read_profile(ann)).posts == 1


async def test_only_one_s_own_media_that_did_not_fail_can_be_attached_to_one_post(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    own, other = await uploads(waggle, ann), await uploads(waggle, bob)
    failed = await uploads(waggle, ann, MediaState.FAILED, reason=FailureReason.DAMAGED)
    gone = await uploads(waggle, ann, deleted=True)
    for media, code in ((other, "media_not_found"), (gone, "media_not_found"), (failed, "media_failed")):
        error = await faulty(publishes(waggle, ann, own, media))
        assert [(fault.field, fault.code) for fault in error.field_errors] == [("media_ids", code)]
    await publishes(waggle, ann, own)
    assert await refused(publishes(waggle, ann, own)) is MediaTaken
    error = await faulty(publishes(waggle, ann, own, own))
    assert [fault.code for fault in error.field_errors] == ["too_many"]
    assert await refused(publishes(waggle, ann, text="")) is Invalid


async def test_a_repeated_request_returns_the_same_post_although_its_media_failed_since(
    waggle: Waggle, ann: UserId
) -> None:
    media = await uploads(waggle, ann)
    draft = PostDraft(text="look", media=(media.id,))
    first = await waggle.publish(ann, draft, an_idempotent_request(ann))
    await delivered(waggle)
    await settles(waggle, media, FailureReason.DAMAGED)
    second = await waggle.publish(ann, draft, an_idempotent_request(ann))
    assert second.replayed
    assert second.hydrated.post.id == first.hydrated.post.id


async def test_the_text_can_be_removed_only_from_a_post_with_media(waggle: Waggle, ann: UserId) -> None:
    media = await uploads(waggle, ann, MediaState.READY)
    pictured, plain = await publishes(waggle, ann, media), await publishes(waggle, ann)
    await waggle.edits(ann, pictured, "")
    assert (await waggle.read(ann, pictured)).post.content.text == ""
    error = await faulty(waggle.edits(ann, plain, ""))
    assert error.field_errors == (FieldError("text", "empty", "text must not be empty"),)


async def test_a_pending_post_is_in_no_list_of_other_users(waggle: Waggle, ann: UserId, bob: UserId) -> None:
    await publishes(waggle, ann, await uploads(waggle, ann))
    await delivered(waggle)
    assert (await waggle.by_author(bob, ann, Window(9))).items == []
    assert len((await waggle.by_author(ann, ann, Window(9))).items) == 1
    assert (await waggle.read_profile(ann)).posts == 0


async def test_the_media_of_a_deleted_post_are_deleted(waggle: Waggle, ann: UserId) -> None:
    media = await uploads(waggle, ann, MediaState.READY)
    post = await publishes(waggle, ann, media)
    await delivered(waggle)
    await waggle.delete(ann, post)
    open_media = waggle.stores.media.open_tx

    class Nothing:
        async def list(self, prefix: str) -> list[object]:
            return []

    forget = DeletePostMedia(open_media, PurgeMedia(open_media, Nothing()))  # type: ignore[arg-type]
    event = PostDeleted(post_id=post, author_id=ann, reply_to=None)
    await forget(event, EventId(1))
    assert await waggle.stores.media.reader.media([media.id]) == {}
