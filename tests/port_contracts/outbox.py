"""What every outbox must do, and what the relay makes of it."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from application.shared import relay as relaying
from application.shared.events import (
    AccountDeleted,
    AttachedMediaChanged,
    Blocked,
    Edited,
    EditToTell,
    Event,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Liked,
    MediaAttached,
    MediaDetached,
    MediaSettled,
    PostDeleted,
    PostToForget,
    ProfileChanged,
    Published,
    Registered,
    Reposted,
    Unblocked,
    Unfollowed,
    Unliked,
    Unreposted,
)
from application.shared.ports import Delivery
from application.shared.relay import MAX_ATTEMPTS, EventHandlers, Relay
from domain.shared import EventId, Unavailable
from tests.port_contracts.stores import Stores

MINUTE = timedelta(minutes=1)
LONG = timedelta(hours=1)


async def tell(stores: Stores, *events: Event) -> None:
    """Commit the events, each in a transaction of its own."""
    for event in events:
        async with stores.open_identity() as tx:
            await tx.outbox.add(event)


def users(claimed: Sequence[Delivery]) -> list[int]:
    """Whom the events, of ours each, speak of."""
    return [delivery.event.user_id for delivery in claimed if isinstance(delivery.event, ProfileChanged)]


def changed(*users: int) -> list[Event]:
    return [ProfileChanged(user_id=user) for user in users]


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
            EditToTell(post_id=1, author_id=2, day=3, after=4),
            PostToForget(post_id=1),
            MediaAttached(post_id=1, author_id=2, media_ids=(3, 4), open=True),
            MediaDetached(post_id=1, author_id=2, media_ids=(3,)),
            MediaSettled(media_id=3, owner_id=2, reason="damaged"),
            AttachedMediaChanged(media_id=3, post_id=1, owner_id=2, version=2),
        ],
        ids=lambda event: type(event).__name__,
    )
    async def test_an_event_arrives_as_it_was_told(self, stores: Stores, event: Event) -> None:
        await tell(stores, event)

        (delivery,) = await stores.queue.claim(10, MINUTE)

        assert delivery.event == event
        assert (delivery.aggregate, delivery.kind) == (event.aggregate, type(event).__name__)
        assert delivery.attempts == 0

    async def test_every_kind_of_event_is_tried_above(self, stores: Stores) -> None:
        marks = {Liked, Unliked, Reposted, Unreposted}
        pairs = {Followed, Unfollowed, FollowRequested, FollowRequestEnded, Blocked, Unblocked}
        posts = {Published, Edited, EditToTell, PostDeleted, PostToForget, MediaAttached, MediaDetached}
        media = {MediaSettled, AttachedMediaChanged}
        told = {Registered, ProfileChanged, AccountDeleted} | posts | marks | pairs | media

        assert {kind for kind in Event.kinds.values() if kind.__module__ == Event.__module__} == told

    async def test_events_come_in_the_order_of_their_commits(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2, 1, 3, 2))

        assert users(await stores.queue.claim(10, MINUTE)) == [1, 2, 1, 3, 2]

    async def test_no_more_are_claimed_than_were_asked_for(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2, 3))

        first = await stores.queue.claim(2, MINUTE)
        second = await stores.queue.claim(2, MINUTE)

        assert (users(first), users(second)) == ([1, 2], [3])

    async def test_what_is_leased_is_given_to_nobody_else(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2))

        claims = await asyncio.gather(*(stores.queue.claim(10, MINUTE) for _ in range(5)))

        assert sorted(users([delivery for claim in claims for delivery in claim])) == [1, 2]

    async def test_an_aggregate_waits_while_its_earlier_event_is_leased(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 1, 2))
        await stores.queue.claim(1, MINUTE)

        assert users(await stores.queue.claim(10, MINUTE)) == [2]

    async def test_a_renewed_lease_begins_anew(self, stores: Stores) -> None:
        await tell(stores, *changed(1))
        claimed = await stores.queue.claim(1, MINUTE)

        await stores.queue.renew(claimed, LONG)
        await stores.pass_time(MINUTE)

        assert users(await stores.queue.claim(1, MINUTE)) == []

    async def test_only_what_the_renewal_gave_can_be_given_back(self, stores: Stores) -> None:
        await tell(stores, *changed(1))
        claimed = await stores.queue.claim(1, MINUTE)

        renewed = await stores.queue.renew(claimed, LONG)

        assert renewed == claimed
        await stores.queue.done(renewed)
        assert await stores.queue.waiting() == 0

    async def test_a_lost_lease_is_not_renewed(self, stores: Stores) -> None:
        await tell(stores, *changed(1))
        lost = await stores.queue.claim(1, MINUTE)
        await stores.pass_time(LONG)
        await stores.queue.claim(1, MINUTE)

        assert await stores.queue.renew(lost, MINUTE) == []

    async def test_a_try_that_is_not_counted_leaves_the_attempts_as_they_were(self, stores: Stores) -> None:
        await tell(stores, *changed(1))
        (first,) = await stores.queue.claim(1, MINUTE)

        await stores.queue.retry(first, MINUTE, counted=False)
        await stores.pass_time(MINUTE)

        (again,) = await stores.queue.claim(1, MINUTE)
        assert again.attempts == 0

    async def test_a_lease_that_ended_frees_the_event(self, stores: Stores) -> None:
        await tell(stores, *changed(1))
        first = await stores.queue.claim(1, MINUTE)

        await stores.pass_time(MINUTE - timedelta(seconds=10))
        early = await stores.queue.claim(1, MINUTE)
        await stores.pass_time(timedelta(seconds=11))
        late = await stores.queue.claim(1, MINUTE)

        assert list(early) == []
        assert list(late) == list(first)

    async def test_whoever_lost_a_lease_can_do_nothing_to_the_event_any_more(self, stores: Stores) -> None:
        await tell(stores, *changed(1))
        lost = list(await stores.queue.claim(1, MINUTE))
        await stores.pass_time(MINUTE + timedelta(seconds=1))
        held = await stores.queue.claim(1, MINUTE)

        await stores.queue.release(lost)
        await stores.queue.retry(lost[0], timedelta(0))
        await stores.queue.bury(lost[0], "late")
        await stores.queue.done(lost)

        assert list(await stores.queue.claim(1, MINUTE)) == []
        assert (list(await stores.queue.dead(1)), await stores.queue.waiting()) == ([], 1)
        await stores.queue.done(held)
        assert await stores.queue.waiting() == 0

    async def test_what_is_done_does_not_come_again(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2))
        claimed = await stores.queue.claim(10, MINUTE)

        await stores.queue.done(claimed)
        await stores.queue.done(claimed)  # a second relay, late
        await stores.queue.done([])
        await stores.pass_time(LONG)

        assert list(await stores.queue.claim(10, MINUTE)) == []
        assert await stores.queue.waiting() == 0

    async def test_what_is_released_comes_again_as_untried(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2))
        claimed = await stores.queue.claim(10, MINUTE)

        await stores.queue.release(claimed)
        await stores.queue.release([])

        assert list(await stores.queue.claim(10, MINUTE)) == list(claimed)

    async def test_a_retry_waits_and_holds_up_only_its_own_aggregate(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 1, 2))
        (failed,) = await stores.queue.claim(1, MINUTE)

        await stores.queue.retry(failed, LONG)
        others = await stores.queue.claim(10, MINUTE)
        await stores.queue.done(others)
        await stores.pass_time(LONG)
        again = await stores.queue.claim(10, MINUTE)

        assert users(others) == [2]
        assert users(again) == [1, 1]
        assert [delivery.attempts for delivery in again] == [1, 0]
        assert again[0].event_id == failed.event_id

    async def test_the_dead_are_kept_with_their_error_and_hold_up_nobody(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 1, 2))
        dead, *_ = claimed = await stores.queue.claim(10, MINUTE)

        await stores.queue.bury(dead, "it is no use")
        await stores.queue.release(claimed)

        assert users(await stores.queue.claim(10, MINUTE)) == [1, 2]
        ((letter, error),) = await stores.queue.dead(10)
        assert (letter.event, letter.event_id, letter.attempts) == (dead.event, dead.event_id, 1)
        assert error == "it is no use"

    async def test_the_oldest_dead_are_shown_first(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2, 3))
        for delivery in reversed(await stores.queue.claim(10, MINUTE)):
            await stores.queue.bury(delivery, "no")

        assert users([letter for letter, _ in await stores.queue.dead(2)]) == [1, 2]

    async def test_the_replayed_are_new_and_in_their_old_order(self, stores: Stores) -> None:
        await tell(stores, *changed(1, 2, 3))
        claimed = await stores.queue.claim(10, MINUTE)
        for delivery in claimed:
            await stores.queue.bury(delivery, "no")

        replayed = await stores.queue.replay([claimed[2].seq, claimed[0].seq, 10**9])
        again = await stores.queue.claim(10, MINUTE)

        assert replayed == 2
        assert users(again) == [1, 3]
        assert [delivery.attempts for delivery in again] == [0, 0]
        assert [delivery.event_id for delivery in again] == [claimed[0].event_id, claimed[2].event_id]
        assert users([letter for letter, _ in await stores.queue.dead(10)]) == [2]
        assert await stores.queue.replay([]) == 0

    async def test_who_is_late_to_retry_or_bury_changes_nothing(self, stores: Stores) -> None:
        await tell(stores, *changed(1))
        (delivery,) = await stores.queue.claim(1, MINUTE)
        await stores.queue.done([delivery])

        await stores.queue.retry(delivery, MINUTE)
        await stores.queue.bury(delivery, "late")

        assert await stores.queue.waiting() == 0
        assert list(await stores.queue.dead(10)) == []

    async def test_a_kind_that_only_a_newer_process_knows_has_no_event(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await tell(stores, *changed(1))
        monkeypatch.delitem(Event.kinds, "ProfileChanged")

        (delivery,) = await stores.queue.claim(1, MINUTE)

        assert (delivery.kind, delivery.event) == ("ProfileChanged", None)

    async def test_an_event_that_cannot_be_read_holds_up_only_its_own_aggregate(self, stores: Stores) -> None:
        unreadable = ProfileChanged(user_id="a newer process writes names")  # type: ignore[arg-type]
        await tell(stores, unreadable, *changed(2))

        claimed = await stores.queue.claim(10, MINUTE)

        assert [delivery.event for delivery in claimed] == [None, ProfileChanged(user_id=2)]


class Seen:
    """A reaction that remembers what it took, and fails as often as it is told to."""

    def __init__(self) -> None:
        self.users: list[int] = []
        self.tries: dict[int, int] = defaultdict(int)
        self.failures: dict[int, int] = {}

    async def __call__(self, event: ProfileChanged, event_id: EventId) -> None:
        self.tries[event.user_id] += 1
        if self.tries[event.user_id] <= self.failures.get(event.user_id, 0):
            raise ValueError(f"user {event.user_id} \0 \ud800")
        self.users.append(event.user_id)


def relay_to(stores: Stores, *event_handlers: Callable[[ProfileChanged, EventId], Awaitable[None]]) -> Relay:
    chosen: EventHandlers = {ProfileChanged: event_handlers}
    return Relay(stores.queue, chosen)


class RelayContract:
    async def test_every_reaction_takes_every_event_in_order(self, stores: Stores) -> None:
        one, two = Seen(), Seen()
        await tell(stores, *changed(1, 2, 1), Registered(user_id=4))

        claimed = await relay_to(stores, one, two).deliver()

        assert claimed == 4
        assert (one.users, two.users) == ([1, 2, 1], [1, 2, 1])
        assert await stores.queue.waiting() == 0

    async def test_what_failed_is_tried_again_after_a_pause(self, stores: Stores) -> None:
        seen = Seen()
        seen.failures = {1: 2}
        relay = relay_to(stores, seen)
        await tell(stores, *changed(1))

        await relay.deliver()
        at_once = await relay.deliver()
        for _ in range(2):
            await stores.pass_time(timedelta(seconds=2))
            await relay.deliver()

        assert at_once == 0
        assert (seen.users, seen.tries[1]) == ([1], 3)

    async def test_an_event_that_keeps_failing_holds_up_only_its_own_aggregate(self, stores: Stores) -> None:
        seen = Seen()
        seen.failures = {1: 1}
        relay = relay_to(stores, seen)
        await tell(stores, *changed(1, 2, 1, 3))

        await relay.deliver()
        meanwhile = list(seen.users)
        await stores.pass_time(MINUTE)
        await relay.deliver()

        assert meanwhile == [2, 3]
        assert seen.users == [2, 3, 1, 1]

    async def test_after_the_last_attempt_an_event_is_a_dead_letter(self, stores: Stores) -> None:
        seen = Seen()
        seen.failures = {1: MAX_ATTEMPTS}
        relay = relay_to(stores, seen)
        await tell(stores, *changed(1))

        for _ in range(MAX_ATTEMPTS + 3):
            await relay.deliver()
            await stores.pass_time(timedelta(minutes=10))

        assert seen.tries[1] == MAX_ATTEMPTS
        assert await stores.queue.waiting() == 0
        ((letter, error),) = await stores.queue.dead(10)
        assert (letter.event, letter.attempts) == (ProfileChanged(user_id=1), MAX_ATTEMPTS)
        assert error.startswith("ValueError: user 1")

    async def test_a_dead_letter_lets_its_aggregate_go_on(self, stores: Stores) -> None:
        seen = Seen()
        seen.failures = {1: MAX_ATTEMPTS}
        relay = relay_to(stores, seen)
        await tell(stores, *changed(1, 1))

        for _ in range(MAX_ATTEMPTS):
            await relay.deliver()
            await stores.pass_time(timedelta(minutes=10))

        assert seen.users == [1]
        assert seen.tries[1] == MAX_ATTEMPTS + 1

    async def test_a_reaction_that_never_ends_is_given_up(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relaying, "PATIENCE", timedelta(milliseconds=5))
        seen = Seen()

        async def hangs(event: ProfileChanged, _: EventId) -> None:
            if event.user_id == 1:
                await asyncio.Event().wait()

        await tell(stores, *changed(1, 2))

        await relay_to(stores, hangs, seen).deliver()

        assert seen.users == [2]
        assert await stores.queue.waiting() == 1

    async def test_a_reaction_that_is_cancelled_from_within_has_failed(self, stores: Stores) -> None:
        seen = Seen()

        async def loses_its_connection(event: ProfileChanged, _: EventId) -> None:
            if event.user_id == 1:
                raise asyncio.CancelledError

        await tell(stores, *changed(1, 2))

        await relay_to(stores, loses_its_connection, seen).deliver()

        assert seen.users == [2]
        assert await stores.queue.waiting() == 1

    async def test_all_reactions_to_an_event_share_the_patience_so_that_its_lease_outlives_them(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relaying, "PATIENCE", timedelta(milliseconds=10))

        async def takes_its_time(_: ProfileChanged, __: EventId) -> None:
            done = asyncio.Event()
            asyncio.get_running_loop().call_later(0.006, done.set)
            await done.wait()

        await tell(stores, *changed(1))

        await relay_to(stores, takes_its_time, takes_its_time).deliver()

        assert await stores.queue.waiting() == 1

    async def test_an_event_of_an_unknown_kind_waits_for_who_knows_it(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = Seen()
        relay = relay_to(stores, seen)
        await tell(stores, *changed(1), Registered(user_id=2))

        with monkeypatch.context() as older:
            older.delitem(Event.kinds, "ProfileChanged")
            for _ in range(2 * MAX_ATTEMPTS):
                await relay.deliver()
                await stores.pass_time(timedelta(minutes=5))
            waiting = await stores.queue.waiting()
        await relay.deliver()

        assert waiting == 1
        assert seen.users == [1]

    async def test_what_nobody_knows_or_can_read_is_a_dead_letter_in_the_end(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relaying, "UNKNOWN_ATTEMPTS", MAX_ATTEMPTS)
        unreadable = ProfileChanged(user_id="a newer process writes names")  # type: ignore[arg-type]
        await tell(stores, unreadable, Registered(user_id=2))
        monkeypatch.delitem(Event.kinds, "Registered")
        relay = relay_to(stores, Seen())

        for _ in range(MAX_ATTEMPTS):
            await relay.deliver()
            await stores.pass_time(timedelta(minutes=5))

        letters = await stores.queue.dead(10)
        assert [(letter.kind, letter.event, error) for letter, error in letters] == [
            ("ProfileChanged", None, "unreadable"),
            ("Registered", None, "unknown kind"),
        ]
        assert await stores.queue.waiting() == 0

    async def test_a_relay_that_is_stopped_leaves_no_event_waiting_for_a_lease_to_end(
        self, stores: Stores
    ) -> None:
        seen, inside = Seen(), asyncio.Event()

        async def hangs_at_the_second(event: ProfileChanged, event_id: EventId) -> None:
            await seen(event, event_id)
            if event.user_id == 2:
                inside.set()
                await asyncio.Event().wait()

        await tell(stores, *changed(1, 2, 3))
        running = asyncio.create_task(relay_to(stores, hangs_at_the_second).deliver())
        await inside.wait()
        running.cancel()
        await asyncio.wait([running])

        await relay_to(stores, seen).deliver()

        assert seen.users == [1, 2, 2, 3], "the first was done, the second not, the third untried"
        assert await stores.queue.waiting() == 0

    async def test_the_lease_is_renewed_while_a_reaction_takes_its_time(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relaying, "LEASE", timedelta(seconds=0.15))
        seen, renewed = Seen(), asyncio.Event()
        renew, renewals = type(stores.queue).renew, 0

        async def counted(queue: Any, *arguments: Any) -> Any:
            nonlocal renewals
            kept = await renew(queue, *arguments)
            renewals += 1
            if renewals == 5:
                renewed.set()
            return kept

        async def until_it_was_renewed(event: ProfileChanged, event_id: EventId) -> None:
            await renewed.wait()
            assert await stores.queue.claim(10, MINUTE) == []
            await seen(event, event_id)

        monkeypatch.setattr(type(stores.queue), "renew", counted)
        await tell(stores, *changed(1, 2))

        await relay_to(stores, until_it_was_renewed).deliver()

        assert seen.users == [1, 2]
        assert await stores.queue.waiting() == 0

    async def test_what_is_away_is_waited_for_without_end(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away(event: ProfileChanged, event_id: EventId) -> None:
            raise Unavailable("the storage does not answer")

        await tell(stores, *changed(1))
        for _ in range(MAX_ATTEMPTS + 1):
            await relay_to(stores, away).deliver()
            await stores.pass_time(relaying.AWAY_PAUSE)

        assert await stores.queue.dead(10) == []
        assert await stores.queue.waiting() == 1

    async def test_a_relay_that_died_loses_nothing(self, stores: Stores) -> None:
        seen = Seen()
        await tell(stores, *changed(1, 2))
        await stores.queue.claim(10, relaying.LEASE)  # by a relay that is never heard of again

        await stores.pass_time(relaying.LEASE)
        await relay_to(stores, seen).deliver()

        assert seen.users == [1, 2]

    async def test_a_commit_wakes_the_relay(self, stores: Stores) -> None:
        arrived: asyncio.Queue[int] = asyncio.Queue()

        async def note(event: ProfileChanged, _: EventId) -> None:
            arrived.put_nowait(event.user_id)

        relay = Relay(stores.queue, {ProfileChanged: [note]}, stores.wake)
        running = asyncio.create_task(relay.run(poll=LONG))
        try:
            async with asyncio.timeout(5):
                for user in (1, 2, 3):  # the second finds it asleep
                    await tell(stores, *changed(user))
                    assert await arrived.get() == user
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def test_without_being_woken_the_relay_looks_by_itself(self, stores: Stores) -> None:
        arrived = asyncio.Event()

        async def note(_: ProfileChanged, __: EventId) -> None:
            arrived.set()

        running = asyncio.create_task(relay_to(stores, note).run(poll=timedelta(milliseconds=5)))
        try:
            await tell(stores, *changed(1))
            async with asyncio.timeout(5):
                await arrived.wait()
        finally:
            running.cancel()
            await asyncio.wait([running])
