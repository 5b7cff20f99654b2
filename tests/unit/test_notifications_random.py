"""Random actions, delivered repeatedly and in any order: the notifications are those of the reference."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from application.shared.events import (
    Liked,
    Reposted,
)
from domain.notifications import Channel, NotificationKind
from domain.shared import PostId, UserId
from tests.unit.notification_harness import (
    USERS,
    NotificationHarness,
)
from tests.unit.notification_reference import act_randomly, expected, redelivered


@given(seed=st.integers(0, 2**32), size=st.integers(1, 60))
async def test_events_delivered_three_times_in_any_order_give_the_expected_notifications(
    seed: int, size: int
) -> None:
    rng, harness = random.Random(seed), NotificationHarness(budget=2.0)  # noqa: S311 - no secret
    relationships: dict[tuple[int, int], str] = {}
    off = {user: {kind for kind in NotificationKind if rng.random() < 0.1} for user in USERS}
    for user, kinds in off.items():
        await harness.set_preferences(user, {Channel.APP: dict.fromkeys(kinds, False)})
    for _ in range(size):
        act_randomly(harness, rng, relationships)

    harness.undelivered.clear()
    for id_, event in redelivered(harness.all_events, rng):
        await harness.handle_event(id_, event)
    await harness.deliver()

    for somebody, notifications_of in (await expected(harness, off)).items():
        assert Counter(await harness.notifications_of(UserId(somebody))) == notifications_of


@given(seed=st.integers(0, 2**32), size=st.integers(1, 60))
async def test_nothing_hidden_is_left_whenever_events_are_delivered(seed: int, size: int) -> None:
    """Events are delivered at any time. Notifications hidden since are pruned when they are read."""
    rng, harness = random.Random(seed), NotificationHarness()  # noqa: S311 - no secret
    relationships: dict[tuple[int, int], str] = {}
    for _ in range(size):
        act_randomly(harness, rng, relationships)
        if rng.random() < 0.3:
            await harness.deliver()
    await harness.deliver()

    for user in USERS:
        await harness.hydrate(user, await harness.reader.after(user, 0, 10_000))
        viewer_context = await harness.graph.of(user)
        for kind, actor, post in await harness.notifications_of(user):
            assert actor is not None
            assert actor not in viewer_context.blocked | harness.deleted_accounts
            assert post is None or user in await harness.who_sees(PostId(post), [viewer_context])
            assert kind is not NotificationKind.LIKE or (Liked, actor, post) in harness.engagements
            assert kind is not NotificationKind.REPOST or (Reposted, actor, post) in harness.engagements
            assert kind is not NotificationKind.FOLLOW or relationships.get((actor, user)) == "follows"
            assert (
                kind is not NotificationKind.FOLLOW_ACCEPTED or relationships.get((user, actor)) == "follows"
            )
            assert kind is not NotificationKind.FOLLOW_REQUEST or relationships.get((actor, user)) == "asks"
        if user in harness.deleted_accounts:
            assert await harness.reader.stream(user) is None
