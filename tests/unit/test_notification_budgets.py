"""Handlers of notifications that run out of time, and continue where they stopped."""

from application.notifications.ports import BATCH
from domain.notifications import NotificationKind
from tests.unit.notification_harness import MAYA, WILLY, NotificationHarness, make_users


def calls_of(harness: NotificationHarness, subscriber: str) -> int:
    """The number of calls of the subscriber."""
    return [name for name, _ in harness.calls].count(subscriber)


async def test_notifying_a_thousand_users_of_an_edit_continues_where_it_stopped() -> None:
    harness, many_users = NotificationHarness(budget=2.5), make_users(1_000)
    post = harness.publish(MAYA)
    for user in many_users:
        harness.like(user, post)
    await harness.deliver()
    del harness.calls[:]

    harness.edit(post)
    await harness.deliver()

    # The time is up at the third reading of the clock, after three hundred users.
    after = [many_users[n - 1] for n in (300, 600, 900)]
    assert harness.calls == [
        ("notify_of_post", None),
        *(("notify_of_edit", at) for at in (None, *map(str, after))),
    ]
    for user in many_users:
        assert await harness.notifications_of(user) == [(NotificationKind.EDIT, MAYA, post)]


async def test_an_interrupted_and_restarted_edit_notifies_every_user_once() -> None:
    harness, many_users = NotificationHarness(budget=0.0), make_users(BATCH * 3)
    post = harness.publish(MAYA)
    for user in many_users:
        harness.like(user, post)
    harness.edit(post)
    await harness.deliver(times=2)

    for user in many_users:
        assert await harness.notifications_of(user) == [(NotificationKind.EDIT, MAYA, post)]


async def test_an_edit_continued_after_midnight_counts_for_its_own_day() -> None:
    """Otherwise a redelivery of the interrupted event would notify the users of the continuation once more."""
    harness, many_users = NotificationHarness(budget=0.0), make_users(BATCH * 2)
    post = harness.publish(MAYA)
    for user in many_users:
        harness.like(user, post)
    await harness.deliver()
    harness.edit(post, day=-9)
    edited = harness.undelivered[0]

    await harness.deliver()
    harness.budget = 1_000.0
    harness.__post_init__()  # applies the new budget
    await harness.handle_event(*edited)
    await harness.deliver()

    for user in many_users:
        assert await harness.notifications_of(user) == [(NotificationKind.EDIT, MAYA, post)]


async def test_a_thousand_notifications_about_a_deleted_post_are_retracted_in_steps() -> None:
    harness, many_users = NotificationHarness(budget=1.5), make_users(1_000)
    post = harness.publish(MAYA, *many_users)
    await harness.deliver()
    assert len(harness.hinted_users) == len(many_users)

    harness.delete(post)
    await harness.deliver()

    assert calls_of(harness, "retract_post_notifications") in {3, 4}
    for user in many_users:
        assert await harness.notifications_of(user) == []


async def test_a_thousand_notifications_by_a_deleted_account_are_retracted_in_steps() -> None:
    harness, many_users = NotificationHarness(budget=1.5), make_users(1_000)
    for user in many_users:
        harness.like(WILLY, harness.publish(user))
    await harness.deliver()

    harness.delete_account(WILLY)
    await harness.deliver()

    assert calls_of(harness, "erase_notifications") in {3, 4}
    for user in many_users:
        assert await harness.notifications_of(user) == []
