"""Undoing, repeating and redelivery: which notifications are retracted, and which are added again."""

from collections import Counter
from collections.abc import Callable

import pytest

from application.notifications.ports import BATCH
from application.shared.events import (
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Unfollowed,
)
from domain.notifications import MAX_REPEATS_PER_DAY, NotificationKind
from domain.shared import PostId
from tests.unit.notification_harness import (
    FLIP,
    MAYA,
    THEKLA,
    WILLY,
    NotificationHarness,
    every_kind_of_action,
    make_users,
)


@pytest.fixture
def harness() -> NotificationHarness:
    return NotificationHarness()


Step = Callable[[NotificationHarness, PostId, int], None]
REPEATABLE: dict[NotificationKind, tuple[Step, Step]] = {
    NotificationKind.LIKE: (
        lambda harness, post, day: harness.like(WILLY, post, day),
        lambda harness, post, day: harness.unlike(WILLY, post, day),
    ),
    NotificationKind.REPOST: (
        lambda harness, post, day: harness.repost(WILLY, post, day),
        lambda harness, post, day: harness.unrepost(WILLY, post, day),
    ),
    NotificationKind.FOLLOW: (
        lambda harness, _post, day: harness.emit(Followed(user_id=WILLY, other_id=MAYA), day),
        lambda harness, _post, day: harness.emit(Unfollowed(user_id=WILLY, other_id=MAYA), day),
    ),
    NotificationKind.FOLLOW_REQUEST: (
        lambda harness, _post, day: harness.emit(FollowRequested(user_id=WILLY, other_id=MAYA), day),
        lambda harness, _post, day: harness.emit(FollowRequestEnded(user_id=WILLY, other_id=MAYA), day),
    ),
    NotificationKind.FOLLOW_ACCEPTED: (
        lambda harness, _post, day: harness.emit(Followed(user_id=MAYA, other_id=WILLY, accepted=True), day),
        lambda harness, _post, day: harness.emit(Unfollowed(user_id=MAYA, other_id=WILLY), day),
    ),
}
"""The ways in which WILLY causes a notification of MAYA and undoes it."""


@pytest.mark.parametrize("kind", REPEATABLE)
@pytest.mark.parametrize("read", [False, True])
async def test_undone_and_repeated_actions_notify_again_a_few_times_a_day(
    harness: NotificationHarness, kind: NotificationKind, *, read: bool
) -> None:
    post = harness.publish(MAYA)
    begin, undo = REPEATABLE[kind]
    notification = (kind, WILLY, post if kind in {NotificationKind.LIKE, NotificationKind.REPOST} else None)
    for day in (0, 1):
        for number in range(1, MAX_REPEATS_PER_DAY + 2):
            begin(harness, post, day)
            await harness.deliver(times=3)
            assert await harness.all_notifications_of(MAYA) == (
                [notification] if number <= MAX_REPEATS_PER_DAY else []
            )
            if read:
                await harness.mark_read(MAYA, 1_000)
            undo(harness, post, day)
            await harness.deliver(times=3)
            assert await harness.all_notifications_of(MAYA) == []

    assert len(harness.hinted_users) >= 2 * 2 * MAX_REPEATS_PER_DAY


async def test_redelivery_does_not_restore_a_dismissed_notification(harness: NotificationHarness) -> None:
    post = harness.publish(MAYA)
    await harness.deliver()
    harness.like(WILLY, post)
    liked = harness.undelivered[0]
    await harness.deliver()
    await harness.dismiss(MAYA, 1)

    await harness.handle_event(*liked)

    assert await harness.notifications_of(MAYA) == []


async def test_redelivery_of_an_undo_does_not_retract_the_repeated_action(
    harness: NotificationHarness,
) -> None:
    """For example if a process was stopped in the middle and continues after another one did its work."""
    post = harness.publish(MAYA)
    harness.like(WILLY, post)
    await harness.deliver()
    harness.unlike(WILLY, post)
    unliked = harness.undelivered[0]
    await harness.deliver()
    harness.like(WILLY, post)
    await harness.deliver()

    await harness.handle_event(*unliked)

    assert await harness.notifications_of(MAYA) == [(NotificationKind.LIKE, WILLY, post)]


async def test_repeat_limits_are_separate_for_each_pair_of_users(harness: NotificationHarness) -> None:
    for _ in range(MAX_REPEATS_PER_DAY + 1):
        harness.emit(FollowRequested(user_id=WILLY, other_id=MAYA))
        harness.emit(FollowRequestEnded(user_id=WILLY, other_id=MAYA))
    harness.emit(FollowRequested(user_id=WILLY, other_id=MAYA))
    harness.emit(FollowRequested(user_id=FLIP, other_id=MAYA))
    harness.emit(FollowRequested(user_id=WILLY, other_id=THEKLA))
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == [(NotificationKind.FOLLOW_REQUEST, FLIP, None)]
    assert await harness.notifications_of(THEKLA) == [(NotificationKind.FOLLOW_REQUEST, WILLY, None)]


async def test_undone_actions_are_retracted_and_others_stay(harness: NotificationHarness) -> None:
    first, second = harness.publish(MAYA), harness.publish(MAYA)
    for post in (first, second):
        harness.like(WILLY, post)
        harness.repost(WILLY, post)
        harness.like(FLIP, post)
    harness.emit(Followed(user_id=WILLY, other_id=MAYA))
    harness.emit(Followed(user_id=MAYA, other_id=WILLY))
    harness.emit(FollowRequested(user_id=FLIP, other_id=MAYA))
    await harness.deliver()

    harness.unlike(WILLY, first)
    harness.unrepost(WILLY, second)
    harness.emit(Unfollowed(user_id=WILLY, other_id=MAYA))
    harness.emit(FollowRequestEnded(user_id=FLIP, other_id=MAYA))
    await harness.deliver()

    assert Counter(await harness.notifications_of(MAYA)) == Counter(
        [
            (NotificationKind.REPOST, WILLY, first),
            (NotificationKind.LIKE, WILLY, second),
            (NotificationKind.LIKE, FLIP, first),
            (NotificationKind.LIKE, FLIP, second),
        ]
    )
    assert await harness.notifications_of(WILLY) == [(NotificationKind.FOLLOW, MAYA, None)]


async def test_an_unfollow_retracts_the_acceptance(harness: NotificationHarness) -> None:
    harness.emit(FollowRequested(user_id=WILLY, other_id=MAYA))
    harness.emit(Followed(user_id=WILLY, other_id=MAYA, accepted=True))
    await harness.deliver()
    harness.emit(Unfollowed(user_id=WILLY, other_id=MAYA))
    await harness.deliver()

    assert await harness.notifications_of(WILLY) == []


@pytest.mark.parametrize("blocker", ["maya", "willy"])
async def test_a_block_retracts_notifications_of_both_users_about_each_other(
    harness: NotificationHarness, blocker: str
) -> None:
    every_kind_of_action(harness, MAYA, WILLY)
    every_kind_of_action(harness, WILLY, MAYA)
    harness.like(FLIP, post := harness.publish(MAYA))
    await harness.deliver()

    harness.block(*((MAYA, WILLY) if blocker == "maya" else (WILLY, MAYA)))
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == [(NotificationKind.LIKE, FLIP, post)]
    assert await harness.notifications_of(WILLY) == []


async def test_deleting_a_post_retracts_all_notifications_about_it(harness: NotificationHarness) -> None:
    post, other = harness.publish(MAYA, THEKLA), harness.publish(MAYA, THEKLA)
    for user in (WILLY, FLIP):
        harness.like(user, post)
    harness.repost(WILLY, other)
    harness.edit(post, THEKLA)
    await harness.deliver()

    harness.delete(post)
    await harness.deliver()

    assert await harness.notifications_of(MAYA) == [(NotificationKind.REPOST, WILLY, other)]
    assert await harness.notifications_of(THEKLA) == [(NotificationKind.MENTION, MAYA, other)]
    assert await harness.notifications_of(WILLY) == []


async def test_deleting_an_account_retracts_all_notifications_by_it_and_deletes_its_stream(
    harness: NotificationHarness,
) -> None:
    many_users = make_users(BATCH * 2 + 7)
    for author in many_users:
        harness.like(WILLY, harness.publish(author))
    harness.like(MAYA, of_willy := harness.publish(WILLY, FLIP))
    harness.emit(Followed(user_id=WILLY, other_id=MAYA))
    harness.like(MAYA, kept := harness.publish(many_users[0]))
    await harness.deliver()
    assert await harness.notifications_of(WILLY) == [(NotificationKind.LIKE, MAYA, of_willy)]

    harness.delete_account(WILLY)
    harness.like(WILLY, kept)  # emitted before the deletion, delivered late
    await harness.deliver(times=2)

    assert await harness.reader.stream(WILLY) is None
    for user in (*many_users[1:], MAYA, FLIP):
        assert await harness.notifications_of(user) == []
    assert await harness.notifications_of(many_users[0]) == [(NotificationKind.LIKE, MAYA, kept)]
