"""The contract of every outbox."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from application.shared.deliveries import NOT_DISTRIBUTED, Delivery, Remaining, Settled
from application.shared.events import (
    AccountDeleted,
    AttachedMediaChanged,
    Blocked,
    Edited,
    Event,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Liked,
    MediaAttached,
    MediaDetached,
    MediaSettled,
    PostDeleted,
    ProfileChanged,
    Published,
    Registered,
    Reposted,
    Unblocked,
    Unfollowed,
    Unliked,
    Unreposted,
)
from tests.port_contracts.stores import Stores

MINUTE = timedelta(minutes=1)
LONG = timedelta(hours=1)


async def publish(stores: Stores, *events: Event) -> None:
    """Commit the events, each in a transaction of its own."""
    for event in events:
        async with stores.identity.open_tx() as tx:
            await tx.outbox.add(event)


def users(claimed: Sequence[Delivery]) -> list[int]:
    """The users that the events, which the tests made, are about."""
    return [delivery.event.user_id for delivery in claimed if isinstance(delivery.event, ProfileChanged)]


def changed(*users: int) -> list[Event]:
    return [ProfileChanged(user_id=user) for user in users]


async def events(stores: Stores, limit: int = 100) -> Sequence[Delivery]:
    return await stores.queue.claim_events(limit, MINUTE)


async def remaining(stores: Stores, limit: int = 100) -> Sequence[Delivery]:
    return await stores.queue.claim_remaining(limit, MINUTE)


async def settle(stores: Stores, delivery: Delivery, *remaining: Remaining) -> None:
    await stores.queue.settle([Settled(delivery, remaining)])


async def failed(stores: Stores, *users: int, subscriber: str = "a") -> None:
    """An event for each user, which failed at one subscriber and is due again."""
    await publish(stores, *changed(*users))
    for delivery in await events(stores):
        await settle(stores, delivery, Remaining(subscriber, 1, error="no"))


class OutboxContract:
    @pytest.mark.parametrize(
        "event",
        [
            Registered(user_id=2**63 - 1),
            ProfileChanged(user_id=1),
            ProfileChanged(user_id=1, private=True, version=2),
            AccountDeleted(user_id=1),
            Published(post_id=1, author_id=2, reply_to=None, visibility="public"),
            Published(post_id=1, author_id=2, reply_to=3, visibility="direct"),
            PostDeleted(post_id=1, author_id=2, reply_to=None, visibility="unlisted"),
            Edited(post_id=1, author_id=2, version=2, visibility="public", reply_to=4, mentioned_new=(3, 5)),
            Liked(post_id=1, author_id=2, user_id=3),
            Unliked(post_id=1, author_id=2, user_id=3),
            Reposted(post_id=1, author_id=2, user_id=3, repost_id=4),
            Unreposted(post_id=1, author_id=2, user_id=3, repost_id=4),
            Followed(user_id=1, other_id=2, accepted=True),
            Unfollowed(user_id=1, other_id=2),
            FollowRequested(user_id=2, other_id=1),
            FollowRequestEnded(user_id=2, other_id=1),
            Blocked(user_id=2, other_id=1),
            Unblocked(user_id=1, other_id=2),
            MediaAttached(post_id=1, author_id=2, media_ids=(3, 4), open=True),
            MediaDetached(post_id=1, author_id=2, media_ids=(3,)),
            MediaSettled(media_id=3, owner_id=2, reason="damaged"),
            AttachedMediaChanged(media_id=3, post_id=1, owner_id=2, version=2),
        ],
        ids=lambda event: type(event).__name__,
    )
    async def test_an_event_is_claimed_with_all_its_members(self, stores: Stores, event: Event) -> None:
        await publish(stores, event)

        (delivery,) = await stores.queue.claim_events(10, MINUTE)

        assert delivery.event == event
        assert (delivery.aggregate, delivery.kind) == (event.aggregate, type(event).__name__)
        assert (delivery.subscriber, delivery.attempts, delivery.continue_from) == (NOT_DISTRIBUTED, 0, None)

    async def test_the_round_trip_covers_every_kind_of_event(self, stores: Stores) -> None:
        engagements = {Liked, Unliked, Reposted, Unreposted}
        pairs = {Followed, Unfollowed, FollowRequested, FollowRequestEnded, Blocked, Unblocked}
        posts = {Published, Edited, PostDeleted, MediaAttached, MediaDetached}
        media = {MediaSettled, AttachedMediaChanged}
        covered = {Registered, ProfileChanged, AccountDeleted} | posts | engagements | pairs | media

        assert {kind for kind in Event.kinds.values() if kind.__module__ == Event.__module__} == covered

    async def test_events_are_claimed_in_the_order_of_their_commits(self, stores: Stores) -> None:
        await publish(stores, *changed(1, 2, 1, 3, 2))

        assert users(await events(stores)) == [1, 2, 1, 3, 2]

    async def test_a_claim_returns_at_most_the_requested_number_of_events(self, stores: Stores) -> None:
        await publish(stores, *changed(1, 2, 3))

        first, second = await events(stores, 2), await events(stores, 2)

        assert (users(first), users(second)) == ([1, 2], [3])

    async def test_concurrent_claims_never_return_the_same_event(self, stores: Stores) -> None:
        await publish(stores, *changed(1, 2))

        claims = await asyncio.gather(*(events(stores) for _ in range(5)))

        assert sorted(users([delivery for claim in claims for delivery in claim])) == [1, 2]

    async def test_an_event_is_not_claimed_while_an_earlier_one_of_its_aggregate_is_leased(
        self, stores: Stores
    ) -> None:
        await publish(stores, *changed(1, 1, 2))
        await events(stores, 1)

        assert users(await events(stores)) == [2]

    async def test_a_renewed_lease_lasts_for_the_new_time(self, stores: Stores) -> None:
        await failed(stores, 2)
        await publish(stores, *changed(1))
        claimed = [*await events(stores, 1), *await remaining(stores, 1)]

        await stores.queue.renew(claimed, LONG)
        await stores.pass_time(MINUTE)

        assert [*await events(stores), *await remaining(stores)] == []

    async def test_a_renewal_returns_the_deliveries_which_can_then_be_settled(self, stores: Stores) -> None:
        await failed(stores, 2)
        await publish(stores, *changed(1))
        claimed = [*await events(stores), *await remaining(stores)]

        renewed = await stores.queue.renew(claimed, LONG)

        assert renewed == claimed
        await stores.queue.settle([Settled(delivery) for delivery in renewed])
        assert await stores.queue.waiting() == 0

    async def test_a_lost_lease_is_not_renewed(self, stores: Stores) -> None:
        await failed(stores, 2)
        await publish(stores, *changed(1))
        lost = [*await events(stores), *await remaining(stores)]
        await stores.pass_time(LONG)
        assert len([*await events(stores), *await remaining(stores)]) == 2

        assert await stores.queue.renew(lost, MINUTE) == []

    async def test_a_lease_that_ended_frees_the_delivery(self, stores: Stores) -> None:
        await failed(stores, 2)
        await publish(stores, *changed(1))
        first = [*await events(stores), *await remaining(stores)]

        await stores.pass_time(MINUTE - timedelta(seconds=10))
        early = [*await events(stores), *await remaining(stores)]
        await stores.pass_time(timedelta(seconds=11))
        late = [*await events(stores), *await remaining(stores)]

        assert early == []
        assert late == first

    async def test_releasing_or_settling_after_a_lost_lease_changes_nothing(self, stores: Stores) -> None:
        await failed(stores, 2)
        await publish(stores, *changed(1))
        lost = [*await events(stores), *await remaining(stores)]
        await stores.pass_time(MINUTE + timedelta(seconds=1))
        held = [*await events(stores), *await remaining(stores)]

        await stores.queue.release(lost)
        for delivery in lost:
            await settle(stores, delivery, Remaining("a"), Remaining("b", 1, error="no", is_dead=True))
        await stores.queue.settle([Settled(delivery) for delivery in lost])

        assert [*await events(stores), *await remaining(stores)] == []
        assert ([*await stores.queue.dead(1)], await stores.queue.waiting()) == ([], 2)
        await stores.queue.settle([Settled(delivery) for delivery in held])
        assert await stores.queue.waiting() == 0

    async def test_a_settled_event_is_not_claimed_again(self, stores: Stores) -> None:
        await publish(stores, *changed(1, 2))
        done = [Settled(delivery) for delivery in await events(stores)]

        await stores.queue.settle(done)
        await stores.queue.settle(done)  # a second relay, late
        await stores.queue.settle([])
        await stores.pass_time(LONG)

        assert [*await events(stores), *await remaining(stores)] == []
        assert (await stores.queue.waiting(), await stores.queue.counts()) == (0, {})

    async def test_settling_a_settled_event_again_changes_nothing(self, stores: Stores) -> None:
        await publish(stores, *changed(1))
        (delivery,) = await events(stores)
        await settle(stores, delivery)

        await settle(
            stores,
            delivery,
            Remaining("a", 1, MINUTE, error="late"),
            Remaining("b", is_dead=True),
        )

        assert (await stores.queue.waiting(), await stores.queue.counts()) == (0, {})

    async def test_a_released_delivery_is_claimed_again_without_a_counted_attempt(
        self, stores: Stores
    ) -> None:
        await failed(stores, 3)
        await publish(stores, *changed(1, 2))
        claimed = [*await events(stores), *await remaining(stores)]

        await stores.queue.release(claimed)
        await stores.queue.release([])

        assert [*await events(stores), *await remaining(stores)] == claimed

    async def test_an_event_names_the_subscribers_with_unfinished_earlier_events(
        self, stores: Stores
    ) -> None:
        await failed(stores, 1)
        await failed(stores, 1, subscriber="b")
        await failed(stores, 2)
        await publish(stores, *changed(1, 2, 3))

        assert [set(one.behind) for one in await events(stores)] == [{"a", "b"}, {"a"}, set()]

    async def test_a_waiting_event_delays_only_its_own_aggregate(self, stores: Stores) -> None:
        await publish(stores, *changed(1, 1, 2))
        (unknown,) = await events(stores, 1)

        await settle(stores, unknown, Remaining(NOT_DISTRIBUTED, 1, LONG))
        others = await events(stores)
        await stores.queue.settle([Settled(delivery) for delivery in others])
        await stores.pass_time(LONG)
        again = await events(stores)

        assert users(others) == [2]
        assert users(again) == [1, 1]
        assert [delivery.attempts for delivery in again] == [1, 0]
        assert again[0].event_id == unknown.event_id

    async def test_an_event_of_an_unknown_kind_is_claimed_without_its_content(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await publish(stores, *changed(1))
        monkeypatch.delitem(Event.kinds, "ProfileChanged")

        (delivery,) = await events(stores)

        assert (delivery.kind, delivery.event) == ("ProfileChanged", None)

    async def test_an_unreadable_event_delays_only_its_own_aggregate(self, stores: Stores) -> None:
        unreadable = ProfileChanged(user_id="a newer process writes names")  # type: ignore[arg-type]
        await publish(stores, unreadable, *changed(2))

        claimed = await events(stores)

        assert [delivery.event for delivery in claimed] == [None, ProfileChanged(user_id=2)]
