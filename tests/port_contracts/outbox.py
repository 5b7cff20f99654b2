"""What every outbox must do."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from application.shared.deliveries import NOT_DISTRIBUTED, Counts, Delivery, Remaining, Settled
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


async def tell(stores: Stores, *events: Event) -> None:
    """Commit the events, each in a transaction of its own."""
    for event in events:
        async with stores.open_identity() as tx:
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
    await tell(stores, *changed(*users))
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
    async def test_an_event_arrives_as_it_was_told(self, stores: Stores, event: Event) -> None:
        await tell(stores, event)

        (delivery,) = await stores.queue.claim_events(10, MINUTE)

        assert delivery.event == event
        assert (delivery.aggregate, delivery.kind) == (event.aggregate, type(event).__name__)
        assert (delivery.subscriber, delivery.attempts, delivery.continue_from) == (NOT_DISTRIBUTED, 0, None)

    async def test_every_kind_of_event_is_tried_above(self, stores: Stores) -> None:
        marks = {Liked, Unliked, Reposted, Unreposted}
        pairs = {Followed, Unfollowed, FollowRequested, FollowRequestEnded, Blocked, Unblocked}
        posts = {Published, Edited, PostDeleted, MediaAttached, MediaDetached}
        media = {MediaSettled, AttachedMediaChanged}
        told = {Registered, ProfileChanged, AccountDeleted} | posts | marks | pairs | media

        assert {kind for kind in Event.kinds.values() if kind.__module__ == Event.__module__} == told

    async def test_events_come_in_the_order_of_their_commits(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2, 1, 3, 2))

        assert users(await events(stores)) == [1, 2, 1, 3, 2]

    async def test_no_more_are_claimed_than_were_asked_for(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2, 3))

        first, second = await events(stores, 2), await events(stores, 2)

        assert (users(first), users(second)) == ([1, 2], [3])

    async def test_what_is_leased_is_given_to_nobody_else(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2))

        claims = await asyncio.gather(*(events(stores) for _ in range(5)))

        assert sorted(users([delivery for claim in claims for delivery in claim])) == [1, 2]

    async def test_an_aggregate_waits_while_its_earlier_event_is_leased(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 1, 2))
        await events(stores, 1)

        assert users(await events(stores)) == [2]

    async def test_a_renewed_lease_begins_anew(self, stores: Stores) -> None:
        await failed(stores, 2)
        await tell(stores, *changed(1))
        claimed = [*await events(stores, 1), *await remaining(stores, 1)]

        await stores.queue.renew(claimed, LONG)
        await stores.pass_time(MINUTE)

        assert [*await events(stores), *await remaining(stores)] == []

    async def test_only_what_the_renewal_gave_can_be_settled(self, stores: Stores) -> None:
        await failed(stores, 2)
        await tell(stores, *changed(1))
        claimed = [*await events(stores), *await remaining(stores)]

        renewed = await stores.queue.renew(claimed, LONG)

        assert renewed == claimed
        await stores.queue.settle([Settled(delivery) for delivery in renewed])
        assert await stores.queue.waiting() == 0

    async def test_a_lost_lease_is_not_renewed(self, stores: Stores) -> None:
        await failed(stores, 2)
        await tell(stores, *changed(1))
        lost = [*await events(stores), *await remaining(stores)]
        await stores.pass_time(LONG)
        assert len([*await events(stores), *await remaining(stores)]) == 2

        assert await stores.queue.renew(lost, MINUTE) == []

    async def test_a_lease_that_ended_frees_the_delivery(self, stores: Stores) -> None:
        await failed(stores, 2)
        await tell(stores, *changed(1))
        first = [*await events(stores), *await remaining(stores)]

        await stores.pass_time(MINUTE - timedelta(seconds=10))
        early = [*await events(stores), *await remaining(stores)]
        await stores.pass_time(timedelta(seconds=11))
        late = [*await events(stores), *await remaining(stores)]

        assert early == []
        assert late == first

    async def test_whoever_lost_a_lease_changes_nothing_any_more(self, stores: Stores) -> None:
        await failed(stores, 2)
        await tell(stores, *changed(1))
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

    async def test_what_is_done_does_not_come_again(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2))
        done = [Settled(delivery) for delivery in await events(stores)]

        await stores.queue.settle(done)
        await stores.queue.settle(done)  # a second relay, late
        await stores.queue.settle([])
        await stores.pass_time(LONG)

        assert [*await events(stores), *await remaining(stores)] == []
        assert (await stores.queue.waiting(), await stores.queue.counts()) == (0, {})

    async def test_who_is_late_to_settle_what_is_done_changes_nothing(self, stores: Stores) -> None:
        await tell(stores, *changed(1))
        (delivery,) = await events(stores)
        await settle(stores, delivery)

        await settle(stores, delivery, Remaining("a", 1, MINUTE, error="late"), Remaining("b", is_dead=True))

        assert (await stores.queue.waiting(), await stores.queue.counts()) == (0, {})

    async def test_what_is_released_comes_again_as_untried(self, stores: Stores) -> None:
        await failed(stores, 3)
        await tell(stores, *changed(1, 2))
        claimed = [*await events(stores), *await remaining(stores)]

        await stores.queue.release(claimed)
        await stores.queue.release([])

        assert [*await events(stores), *await remaining(stores)] == claimed

    async def test_what_is_left_for_one_subscriber_comes_to_it_alone_when_it_is_due(
        self, stores: Stores
    ) -> None:
        await tell(stores, *changed(1))
        (event,) = await events(stores)

        await settle(stores, event, Remaining("a", 1, MINUTE, error="no"), Remaining("b", continue_from="17"))
        now = await remaining(stores)
        await stores.pass_time(LONG)
        later = await remaining(stores)

        assert await events(stores) == []
        assert [(one.subscriber, one.attempts, one.continue_from) for one in now] == [("b", 0, "17")]
        assert [(one.subscriber, one.attempts, one.continue_from) for one in later] == [
            ("b", 0, "17"),  # its lease ended
            ("a", 1, None),
        ]
        assert all((one.event, one.event_id) == (event.event, event.event_id) for one in later)

    async def test_what_is_left_again_keeps_its_place_before_later_events(self, stores: Stores) -> None:
        await failed(stores, 1, 1)
        (first,) = await remaining(stores)

        await settle(stores, first, Remaining("a", 2, MINUTE, "5", "again"))
        meanwhile = await remaining(stores)
        await stores.pass_time(MINUTE)
        (again,) = await remaining(stores)
        await settle(stores, again)

        assert meanwhile == []
        assert (again.key, again.attempts, again.continue_from) == (first.key, 2, "5")
        assert len(await remaining(stores)) == 1

    async def test_what_is_left_holds_up_one_subscriber_of_one_aggregate(self, stores: Stores) -> None:
        await failed(stores, 1)
        await failed(stores, 1, 2, subscriber="b")

        assert {(one.subscriber, *users([one])) for one in await remaining(stores)} == {
            ("a", 1),
            ("b", 1),
            ("b", 2),
        }
        await failed(stores, 1)
        assert await remaining(stores) == []

    async def test_an_event_says_which_subscribers_have_an_earlier_one_before_them(
        self, stores: Stores
    ) -> None:
        await failed(stores, 1)
        await failed(stores, 1, subscriber="b")
        await failed(stores, 2)
        await tell(stores, *changed(1, 2, 3))

        assert [set(one.behind) for one in await events(stores)] == [{"a", "b"}, {"a"}, set()]

    async def test_what_is_longest_due_comes_first_so_that_nothing_that_fails_keeps_others_away(
        self, stores: Stores
    ) -> None:
        await failed(stores, 1, 2, 3)
        (first,) = await remaining(stores, 1)

        await settle(stores, first, Remaining("a", 2, timedelta(milliseconds=1), error="no"))
        await stores.pass_time(MINUTE)

        assert users(await remaining(stores)) == [2, 3, 1]

    async def test_an_event_that_waits_holds_up_only_its_own_aggregate(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 1, 2))
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

    async def test_the_dead_are_kept_with_their_error_and_hold_up_nobody(self, stores: Stores) -> None:
        await failed(stores, 1, 1)
        (dead,) = await remaining(stores)

        await settle(stores, dead, Remaining("a", 12, error="it is no use", continue_from="7", is_dead=True))

        assert users(await remaining(stores)) == [1]
        ((letter, error),) = await stores.queue.dead(10)
        assert (letter.key, letter.event, letter.event_id) == (dead.key, dead.event, dead.event_id)
        assert (letter.attempts, letter.continue_from, error) == (12, "7", "it is no use")

    async def test_the_dead_of_one_subscriber_are_listed_oldest_first(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2, 3))
        for delivery in reversed(await events(stores)):
            await settle(stores, delivery, Remaining("a", is_dead=True), Remaining("b", is_dead=True))

        assert users([letter for letter, _ in await stores.queue.dead(2, "b")]) == [1, 2]
        assert [letter.subscriber for letter, _ in await stores.queue.dead(3)] == ["a", "b", "a"]
        assert await stores.queue.dead(3, "c") == []

    async def test_the_replayed_go_to_their_subscriber_alone_as_new_where_it_had_stopped(
        self, stores: Stores
    ) -> None:
        await tell(stores, *changed(1, 2))
        for delivery in await events(stores):
            await settle(
                stores, delivery, *(Remaining(name, 12, MINUTE, "9", "no", is_dead=True) for name in "ab")
            )

        replayed = await stores.queue.replay(subscriber="a")
        again = await remaining(stores)

        assert replayed == 2
        assert await events(stores) == []
        assert [(one.subscriber, one.attempts, one.continue_from) for one in again] == [("a", 0, "9")] * 2
        assert {letter.subscriber for letter, _ in await stores.queue.dead(10)} == {"b"}

    async def test_single_dead_letters_are_replayed_in_their_old_order(self, stores: Stores) -> None:
        await failed(stores, 1, 2, 3)
        claimed = await remaining(stores)
        for delivery in claimed:
            await settle(stores, delivery, Remaining("a", is_dead=True))

        replayed = await stores.queue.replay([claimed[2].seq, claimed[0].seq, 10**9])

        assert replayed == 2
        assert users(await remaining(stores)) == [1, 3]
        assert users([letter for letter, _ in await stores.queue.dead(10)]) == [2]
        assert await stores.queue.replay([]) == 0
        assert await stores.queue.replay([claimed[1].seq], "b") == 0

    async def test_a_dead_event_that_nobody_knew_is_replayed_to_everybody(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2))
        for delivery in await events(stores):
            await settle(stores, delivery, Remaining(NOT_DISTRIBUTED, 12, error="unknown", is_dead=True))

        assert await stores.queue.replay() == 2
        assert users(again := await events(stores)) == [1, 2]
        assert [(one.subscriber, one.attempts) for one in again] == [(NOT_DISTRIBUTED, 0)] * 2

    async def test_deliveries_are_counted_by_subscriber(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2))
        first, second = await events(stores)
        await settle(
            stores, first, Remaining("a", 1, error="no"), Remaining("b", continue_from="1"), Remaining("c")
        )
        await settle(
            stores, second, Remaining("a", 12, error="no", is_dead=True), Remaining("b", 0, error="away")
        )
        await tell(stores, *changed(1, 1, 3))
        unknown, *_ = await events(stores)
        await settle(stores, unknown, Remaining(NOT_DISTRIBUTED, 1, error="unknown"))

        assert await stores.queue.counts() == {
            NOT_DISTRIBUTED: Counts(pending=2, retrying=1),
            "a": Counts(retrying=1, dead=1),
            "b": Counts(pending=1, retrying=1),
            "c": Counts(pending=1),
        }
        assert await stores.queue.waiting() == 7

    async def test_a_kind_that_only_a_newer_process_knows_has_no_event(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await tell(stores, *changed(1))
        monkeypatch.delitem(Event.kinds, "ProfileChanged")

        (delivery,) = await events(stores)

        assert (delivery.kind, delivery.event) == ("ProfileChanged", None)

    async def test_an_event_that_cannot_be_read_holds_up_only_its_own_aggregate(self, stores: Stores) -> None:
        unreadable = ProfileChanged(user_id="a newer process writes names")  # type: ignore[arg-type]
        await tell(stores, unreadable, *changed(2))

        claimed = await events(stores)

        assert [delivery.event for delivery in claimed] == [None, ProfileChanged(user_id=2)]
