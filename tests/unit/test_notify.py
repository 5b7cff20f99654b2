"""The users who are notified of an event."""

import pytest

from adapters.memory.notifications.rows import MAILS
from application.shared.events import (
    Followed,
    FollowRequested,
    MediaSettled,
)
from domain.notifications import Channel, NotificationKind
from domain.posts import Visibility
from tests.unit.notification_harness import (
    FLIP,
    MAIL_DELAY,
    MAYA,
    NOW,
    THEKLA,
    WILLY,
    NotificationHarness,
    every_kind_of_action,
    settle_media,
)


@pytest.fixture
def harness() -> NotificationHarness:
    return NotificationHarness()


async def test_the_author_is_notified_of_likes_and_reposts(harness: NotificationHarness) -> None:
    post = harness.publish(MAYA)
    harness.like(WILLY, post)
    harness.repost(FLIP, post)
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == [
        (NotificationKind.LIKE, WILLY, post),
        (NotificationKind.REPOST, FLIP, post),
    ]
    assert harness.hinted_users == [MAYA, MAYA]


async def test_a_mentioned_author_of_the_parent_is_notified_of_the_comment_only(
    harness: NotificationHarness,
) -> None:
    post = harness.publish(MAYA)
    comment = harness.publish(WILLY, MAYA, FLIP, reply_to=post)
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == [(NotificationKind.COMMENT, WILLY, comment)]
    assert await harness.notifications_of(FLIP) == [(NotificationKind.MENTION, WILLY, comment)]


async def test_a_user_who_wants_no_comments_is_notified_of_mentions_in_them(
    harness: NotificationHarness,
) -> None:
    await harness.set_preferences(MAYA, {Channel.APP: {NotificationKind.COMMENT: False}})
    post = harness.publish(MAYA)
    harness.publish(FLIP, reply_to=post)
    comment = harness.publish(WILLY, MAYA, reply_to=post)
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == [(NotificationKind.MENTION, WILLY, comment)]


async def test_comments_on_deleted_posts_notify_nobody(harness: NotificationHarness) -> None:
    post = harness.publish(MAYA)
    harness.publish(WILLY, reply_to=post)
    harness.delete(post)
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == []


async def test_an_edit_notifies_newly_mentioned_users_only(harness: NotificationHarness) -> None:
    post = harness.publish(MAYA, WILLY)
    await harness.deliver()
    harness.edit(post, WILLY, FLIP)
    harness.edit(post)
    harness.edit(post, WILLY, FLIP)
    await harness.deliver()

    assert await harness.notifications_of(WILLY) == [(NotificationKind.MENTION, MAYA, post)]
    assert await harness.notifications_of(FLIP) == [(NotificationKind.MENTION, MAYA, post)]


async def test_involved_users_are_notified_of_edits_once_a_day(harness: NotificationHarness) -> None:
    post = harness.publish(MAYA)
    harness.like(WILLY, post)
    harness.repost(WILLY, post)
    harness.repost(FLIP, post)
    harness.publish(THEKLA, reply_to=post)
    harness.publish(MAYA, reply_to=post)
    await harness.deliver()
    before = await harness.notifications_of(MAYA)

    for day in (0, 0, 0, 1, 1):
        harness.edit(post, day=day)
    await harness.deliver()

    for user in (WILLY, FLIP, THEKLA):
        assert await harness.notifications_of(user) == [(NotificationKind.EDIT, MAYA, post)] * 2
    assert await harness.notifications_of(MAYA) == before


async def test_users_are_notified_of_follows_requests_and_acceptance(harness: NotificationHarness) -> None:
    harness.emit(Followed(user_id=WILLY, other_id=MAYA))
    harness.emit(FollowRequested(user_id=WILLY, other_id=THEKLA))
    await harness.deliver()
    assert await harness.notifications_of(MAYA) == [(NotificationKind.FOLLOW, WILLY, None)]
    assert await harness.notifications_of(THEKLA) == [(NotificationKind.FOLLOW_REQUEST, WILLY, None)]

    harness.emit(Followed(user_id=WILLY, other_id=THEKLA, accepted=True))
    await harness.deliver()
    assert await harness.notifications_of(THEKLA) == []  # the request was answered
    assert await harness.notifications_of(WILLY) == [(NotificationKind.FOLLOW_ACCEPTED, THEKLA, None)]


async def test_users_are_not_notified_of_their_own_actions(harness: NotificationHarness) -> None:
    post = harness.publish(MAYA, MAYA)
    harness.like(MAYA, post)
    harness.repost(MAYA, post)
    harness.publish(MAYA, MAYA, reply_to=post)
    harness.edit(post)
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == []
    assert harness.hinted_users == []


async def test_the_owner_is_notified_once_of_the_result_of_an_upload(harness: NotificationHarness) -> None:
    settle_media(harness, MAYA)
    settle_media(harness, MAYA)
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == [
        (NotificationKind.MEDIA_READY, None, None),
        (NotificationKind.MEDIA_FAILED, None, None),
    ]


async def test_ready_media_is_listed_but_neither_unread_nor_mailed(harness: NotificationHarness) -> None:
    await harness.set_preferences(MAYA, {Channel.EMAIL: {NotificationKind.MEDIA_READY: True}})
    harness.emit(MediaSettled(media_id=7, owner_id=MAYA, reason=None))
    await harness.deliver()

    stream = await harness.reader.stream(MAYA)
    assert await harness.notifications_of(MAYA) == [(NotificationKind.MEDIA_READY, None, None)]
    assert stream is not None
    assert (stream.head, stream.total, stream.unread) == (1, 0, {})
    assert list(harness.store.all(MAILS)) == []


async def test_every_kind_of_action_notifies(harness: NotificationHarness) -> None:
    every_kind_of_action(harness, MAYA, WILLY)
    settle_media(harness, MAYA)
    await harness.deliver()

    kinds = {kind for kind, _, _ in await harness.notifications_of(MAYA)}
    assert kinds == {*NotificationKind} - {NotificationKind.FOLLOW_REQUEST}  # answered


@pytest.mark.parametrize("relation", ["blocks", "is blocked", "mutes"])
async def test_blocked_blocking_and_muted_accounts_do_not_notify(
    harness: NotificationHarness, relation: str
) -> None:
    every_kind_of_action(harness, MAYA, WILLY)
    if relation == "mutes":
        harness.graph.mute(MAYA, WILLY)
    else:
        harness.graph.block(*((MAYA, WILLY) if relation == "blocks" else (WILLY, MAYA)))
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == []


async def test_a_muted_user_is_still_notified(harness: NotificationHarness) -> None:
    harness.graph.mute(WILLY, MAYA)
    harness.like(WILLY, post := harness.publish(MAYA))
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == [(NotificationKind.LIKE, WILLY, post)]


@pytest.mark.parametrize("kind", NotificationKind)
async def test_kinds_that_are_off_in_the_app_are_not_stored(
    harness: NotificationHarness, kind: NotificationKind
) -> None:
    await harness.set_preferences(MAYA, {Channel.APP: {kind: False}, Channel.EMAIL: {kind: True}})
    every_kind_of_action(harness, MAYA, WILLY)
    settle_media(harness, MAYA)
    await harness.deliver()

    kinds = {one for one, _, _ in await harness.notifications_of(MAYA)}
    assert kinds == {*NotificationKind} - {NotificationKind.FOLLOW_REQUEST, kind}
    assert [*harness.store.all(MAILS)] == []


async def test_users_are_not_notified_of_posts_that_they_may_not_see(harness: NotificationHarness) -> None:
    harness.graph.follow(FLIP, MAYA)
    post = harness.publish(MAYA)
    for user in (WILLY, FLIP):
        answer = harness.publish(user, reply_to=post)
        harness.publish(MAYA, reply_to=answer, visibility=Visibility.FOLLOWERS)
    secret = harness.publish(MAYA, THEKLA, visibility=Visibility.DIRECT)
    for user in (WILLY, FLIP, THEKLA):
        harness.like(user, secret)
    harness.edit(secret, THEKLA)
    await harness.deliver()

    assert await harness.notifications_of(WILLY) == []
    assert [kind for kind, _, _ in await harness.notifications_of(FLIP)] == [NotificationKind.COMMENT]
    assert await harness.notifications_of(THEKLA) == [
        (NotificationKind.MENTION, MAYA, secret),
        (NotificationKind.EDIT, MAYA, secret),
    ]


async def test_a_mail_is_scheduled_for_kinds_wanted_by_mail(harness: NotificationHarness) -> None:
    await harness.set_preferences(MAYA, {Channel.EMAIL: {NotificationKind.LIKE: True}})
    post = harness.publish(MAYA)
    harness.repost(FLIP, post)
    harness.like(MAYA, post)
    harness.like(WILLY, post)
    await harness.deliver(times=3)

    (mail,) = harness.store.all(MAILS)
    assert (mail.user, mail.since, mail.last, mail.due) == (MAYA, 2, 2, NOW + MAIL_DELAY)
