"""The effects of blocks and mutes on the use cases of posts."""

import pytest

from application.posts.ports import Tombstone
from application.posts.publishing import PostDraft
from application.posts.threads import Comment
from application.shared.events import Published
from application.shared.paging import Window
from application.shared.ports import IdempotentRequest
from domain.posts import Engagement, NotTheAuthor, PostNotFound
from domain.shared import PostId, UserId
from tests.unit.people import Waggle, refused

PAGE = Window(10)


@pytest.fixture
async def cat(waggle: Waggle) -> UserId:
    return await waggle.new_user("cat")


def ids(comments: list[Comment]) -> list[PostId]:
    return [comment.item.post.id for comment in comments if hasattr(comment.item, "post")]


async def test_users_cannot_act_on_posts_across_a_block(waggle: Waggle, ann: UserId, bob: UserId) -> None:
    post = (await waggle.post(ann)).post.id
    assert await refused(waggle.delete(bob, post)) is NotTheAuthor
    waggle.graph.block(ann, bob)
    before = await waggle.pending_events()

    for engagement in Engagement:
        for on in (True, False):
            assert await refused(waggle.engage(bob, post, engagement, on=on)) is PostNotFound
    assert await refused(waggle.pin(bob, post, on=True)) is PostNotFound
    assert await refused(waggle.publish_text(bob, reply_to=post)) is PostNotFound
    assert await refused(waggle.edits(bob, post, "x")) is PostNotFound
    assert await refused(waggle.delete(bob, post)) is PostNotFound

    assert await waggle.pending_events() == before
    row = (await waggle.read(ann, post)).post
    assert (row.state.comments, row.state.likes, row.state.reposts) == (0, 0, 0)


@pytest.mark.parametrize("blocker_reads", [True, False])
async def test_users_see_no_posts_across_a_block(
    waggle: Waggle, ann: UserId, bob: UserId, *, blocker_reads: bool
) -> None:
    post = (await waggle.post(ann, "@bob")).post.id
    comment = (await waggle.post(ann, reply_to=(await waggle.post(bob)).post.id)).post
    await waggle.pin(ann, post, on=True)
    await waggle.engage(bob, post, Engagement.BOOKMARK, on=True)
    await waggle.like(bob, post, liked=True)
    waggle.graph.block(*((bob, ann) if blocker_reads else (ann, bob)))

    for reading in (
        waggle.read(bob, post),
        waggle.history(bob, post, PAGE),
        waggle.context(bob, post),
        waggle.comments(bob, post, PAGE),
        waggle.engaged_users(bob, post, Engagement.LIKE, PAGE),
    ):
        assert await refused(reading) is PostNotFound
    assert await waggle.read_several(bob, [post, comment.id]) == []
    for page in (
        await waggle.by_author(bob, ann, PAGE),
        await waggle.pinned(bob, ann, PAGE),
        await waggle.engaged_posts(bob, Engagement.LIKE, PAGE),
        await waggle.engaged_posts(bob, Engagement.BOOKMARK, PAGE),
    ):
        assert list(page.items) == []
    assert comment.reply_to is not None
    assert ids([*(await waggle.comments(bob, comment.reply_to, PAGE)).items]) == []
    assert list((await waggle.engaged_users(ann, post, Engagement.LIKE, PAGE)).items) == []


async def test_a_mention_across_a_block_is_plain_text(waggle: Waggle, ann: UserId, bob: UserId) -> None:
    waggle.graph.block(bob, ann)

    seen = await waggle.post(ann, "@bob @ann #bees")
    edited = await waggle.edits(ann, seen.post.id, "@bob again")

    assert seen.post.state.mentioned == (ann,)
    assert [entity.value for entity in seen.post.content.entities] == ["ann", "bees"]
    assert (edited.post.state.mentioned, edited.post.content.entities) == ((), ())
    event = next(event for event in await waggle.pending_events() if isinstance(event, Published))
    assert event.hashtags == ("bees",)


async def test_posts_of_a_muted_account_are_left_out_of_lists_but_can_be_read(
    waggle: Waggle, ann: UserId, bob: UserId, cat: UserId
) -> None:
    post = (await waggle.post(ann)).post.id
    muted = (await waggle.post(bob, reply_to=post)).post.id
    below = (await waggle.post(cat, reply_to=muted)).post.id
    other = (await waggle.post(cat, reply_to=post)).post.id
    for user in (bob, cat):
        await waggle.like(user, post, liked=True)
    own = (await waggle.post(bob)).post.id
    await waggle.engage(ann, own, Engagement.BOOKMARK, on=True)
    waggle.graph.mute(ann, bob)

    assert ids([*(await waggle.comments(ann, post, PAGE)).items]) == [other]
    assert ids([*(await waggle.comments(ann, post, PAGE, depth=2)).items]) == [other]
    context = await waggle.context(ann, post)
    assert [place.post.id for place in context.descendants if hasattr(place, "post")] == [other]
    assert [card.id for card in (await waggle.engaged_users(ann, post, Engagement.LIKE, PAGE)).items] == [cat]

    assert (await waggle.read(ann, muted)).post.id == muted
    assert [seen.post.id for seen in await waggle.read_several(ann, [muted, own])] == [muted, own]
    assert [seen.post.id for seen in (await waggle.by_author(ann, bob, PAGE)).items] == [own]
    assert [seen.post.id for seen in (await waggle.engaged_posts(ann, Engagement.BOOKMARK, PAGE)).items] == [
        own
    ]
    above = (await waggle.context(ann, below)).ancestors
    assert [place.post.id for place in above if hasattr(place, "post")] == [post, muted]

    assert ids([*(await waggle.comments(cat, post, PAGE)).items]) == [muted, other]


async def test_a_blocked_parent_post_is_a_tombstone_without_its_author(
    waggle: Waggle, ann: UserId, bob: UserId, cat: UserId
) -> None:
    post = (await waggle.post(ann)).post.id
    comment = (await waggle.post(cat, reply_to=post)).post.id
    waggle.graph.block(ann, bob)

    (above,) = (await waggle.context(bob, comment)).ancestors

    assert above == Tombstone(post, None)


async def test_a_replay_is_unchanged_after_a_block_of_the_parent_post(
    waggle: Waggle, ann: UserId, bob: UserId
) -> None:
    post = (await waggle.post(ann)).post.id
    draft, idempotent_request = (
        PostDraft(text="hi", reply_to=post),
        IdempotentRequest(f"{bob}:publish", "key", "fingerprint"),
    )
    first = await waggle.publish(bob, draft, idempotent_request)
    waggle.graph.block(ann, bob)

    second = await waggle.publish(bob, draft, idempotent_request)

    assert (second.hydrated, second.replayed) == (first.hydrated, True)
