"""The relay over every outbox."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from application.shared import relay as relaying
from application.shared import subscriptions
from application.shared.events import Event, ProfileChanged, Registered
from application.shared.relay import MAX_ATTEMPTS, Relay
from application.shared.subscriptions import Handler, InProcess, on
from domain.shared import EventId, Unavailable
from tests.port_contracts.outbox import LONG, MINUTE, changed, failed, publish
from tests.port_contracts.stores import Stores


class Recorder:
    """A handler that remembers what it took, and fails as often as it should."""

    def __init__(self, failures: dict[int, int] | None = None) -> None:
        self.users: list[int] = []
        self.tries: dict[int, int] = defaultdict(int)
        self.failures = failures or {}

    async def __call__(self, event: ProfileChanged, event_id: EventId) -> None:
        self.tries[event.user_id] += 1
        if self.tries[event.user_id] <= self.failures.get(event.user_id, 0):
            raise ValueError(f"user {event.user_id} \0 \ud800")
        self.users.append(event.user_id)


def relay_to(stores: Stores, **handlers: Handler[ProfileChanged]) -> Relay:
    """A relay to subscribers of these names."""
    chosen = [on(ProfileChanged, name, handler) for name, handler in handlers.items()]
    return Relay(stores.queue, InProcess(chosen), stores.wake)


async def passing(stores: Stores, relay: Relay, times: int, span: timedelta) -> None:
    for _ in range(times):
        await relay.deliver()
        await stores.pass_time(span)


class RelayContract:
    async def test_every_subscriber_gets_every_event_in_order(self, stores: Stores) -> None:
        one, two = Recorder(), Recorder()
        await publish(stores, *changed(1, 2, 1), Registered(user_id=4))

        claimed = await relay_to(stores, one=one, two=two).deliver()

        assert claimed == 4
        assert (one.users, two.users) == ([1, 2, 1], [1, 2, 1])
        assert await stores.queue.waiting() == 0

    async def test_a_failed_handler_is_retried_after_a_pause(self, stores: Stores) -> None:
        seen = Recorder({1: 2})
        relay = relay_to(stores, seen=seen)
        await publish(stores, *changed(1))

        await relay.deliver()
        at_once = await relay.deliver()
        for _ in range(2):
            await stores.pass_time(timedelta(seconds=2))
            await relay.deliver()

        assert at_once == 0
        assert (seen.users, seen.tries[1]) == ([1], 3)

    async def test_a_failing_subscriber_delays_no_other_subscriber(self, stores: Stores) -> None:
        before, failing, after = Recorder(), Recorder({1: 2}), Recorder()
        relay = relay_to(stores, before=before, failing=failing, after=after)
        await publish(stores, *changed(1, 2, 1))
        await relay.deliver_events()
        await publish(stores, *changed(1, 3))
        await relay.deliver_events()

        assert before.users == after.users == [1, 2, 1, 1, 3]
        assert failing.users == [2, 3], "it holds up its own later events, of that aggregate only"

        await passing(stores, relay, 10, MINUTE)

        assert failing.users == [2, 3, 1, 1, 1]
        assert failing.tries == {1: 5, 2: 1, 3: 1}
        assert before.users == after.users == [1, 2, 1, 1, 3], "only the one that failed is called again"
        assert await stores.queue.waiting() == 0

    async def test_an_event_becomes_a_dead_letter_of_its_subscriber_after_the_last_attempt(
        self, stores: Stores
    ) -> None:
        failing, other = Recorder({1: MAX_ATTEMPTS}), Recorder()
        relay = relay_to(stores, failing=failing, other=other)
        await publish(stores, *changed(1, 1))

        await passing(stores, relay, MAX_ATTEMPTS + 3, timedelta(minutes=10))

        assert failing.tries[1] == MAX_ATTEMPTS + 1
        assert failing.users == [1], "the later event goes on"
        assert other.users == [1, 1]
        assert await stores.queue.waiting() == 0
        ((letter, error),) = await stores.queue.dead(10)
        assert (letter.subscriber, letter.event) == ("failing", ProfileChanged(user_id=1))
        assert letter.attempts == MAX_ATTEMPTS
        assert error.startswith("ValueError: user 1")

        await stores.queue.replay()
        await relay.deliver()

        assert failing.users == [1, 1]
        assert other.users == [1, 1], "a replay is for the one that failed"
        assert await stores.queue.dead(10) == []

    async def test_a_handler_that_exceeds_the_time_limit_has_failed(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subscriptions, "TIMEOUT", timedelta(milliseconds=5))
        seen = Recorder()

        async def hangs(event: ProfileChanged, _: EventId) -> None:
            if event.user_id == 1:
                await asyncio.Event().wait()

        await publish(stores, *changed(1, 2))

        await relay_to(stores, hangs=hangs, seen=seen).deliver_events()

        assert seen.users == [1, 2]
        assert await stores.queue.waiting() == 1

    async def test_a_handler_that_raises_cancelled_error_has_failed(self, stores: Stores) -> None:
        seen = Recorder()

        async def loses_its_connection(event: ProfileChanged, _: EventId) -> None:
            if event.user_id == 1:
                raise asyncio.CancelledError

        await publish(stores, *changed(1, 2))

        await relay_to(stores, loses=loses_its_connection, seen=seen).deliver_events()

        assert seen.users == [1, 2]
        assert await stores.queue.waiting() == 1

    async def test_the_time_limit_applies_to_each_handler_separately(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(subscriptions, "TIMEOUT", timedelta(milliseconds=100))

        async def takes_its_time(_: ProfileChanged, __: EventId) -> None:
            await asyncio.sleep(0.06)  # both together take longer than the limit

        await publish(stores, *changed(1))

        await relay_to(stores, one=takes_its_time, two=takes_its_time).deliver()

        assert await stores.queue.waiting() == 0

    async def test_an_event_of_an_unknown_kind_waits_for_a_process_that_knows_it(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = Recorder({1: 1})
        relay = relay_to(stores, seen=seen)
        await publish(stores, *changed(1), Registered(user_id=2))

        with monkeypatch.context() as older:
            older.delitem(Event.kinds, "ProfileChanged")
            await passing(stores, relay, 2 * MAX_ATTEMPTS, timedelta(minutes=5))
            waiting = await stores.queue.waiting()
        await passing(stores, relay, 2, MINUTE)

        assert waiting == 1
        assert seen.users == [1], "the attempts of before count for nobody"

    async def test_a_delivery_to_an_unknown_subscriber_waits_for_a_process_that_knows_it(
        self, stores: Stores
    ) -> None:
        seen = Recorder()
        await failed(stores, 1, subscriber="newer")

        await passing(stores, relay_to(stores, seen=seen), 2 * MAX_ATTEMPTS, timedelta(minutes=5))
        assert (seen.users, await stores.queue.waiting()) == ([], 1)

        await relay_to(stores, newer=seen).deliver()
        assert (seen.users, await stores.queue.waiting()) == ([1], 0)

    async def test_an_unknown_or_unreadable_event_becomes_a_dead_letter_after_the_last_attempt(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relaying, "UNKNOWN_ATTEMPTS", MAX_ATTEMPTS)
        unreadable = ProfileChanged(user_id="a newer process writes names")  # type: ignore[arg-type]
        await publish(stores, unreadable, Registered(user_id=2))
        monkeypatch.delitem(Event.kinds, "Registered")

        await passing(stores, relay_to(stores, seen=Recorder()), MAX_ATTEMPTS, timedelta(minutes=5))

        letters = await stores.queue.dead(10)
        assert [(letter.kind, letter.event, error) for letter, error in letters] == [
            ("ProfileChanged", None, "unreadable"),
            ("Registered", None, "unknown kind"),
        ]
        assert await stores.queue.waiting() == 0

    async def test_a_stopped_relay_releases_its_leases(self, stores: Stores) -> None:
        seen, inside = Recorder(), asyncio.Event()

        async def hangs_at_the_second(event: ProfileChanged, event_id: EventId) -> None:
            await seen(event, event_id)
            if event.user_id == 2:
                inside.set()
                await asyncio.Event().wait()

        await publish(stores, *changed(1, 2, 3))
        running = asyncio.create_task(relay_to(stores, seen=hangs_at_the_second).deliver())
        await inside.wait()
        running.cancel()
        await asyncio.wait([running])

        await relay_to(stores, seen=seen).deliver()

        assert seen.users == [1, 2, 2, 3], "the first was done, the second not, the third untried"
        assert await stores.queue.waiting() == 0

    async def test_the_lease_is_renewed_during_a_slow_handler(
        self, stores: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relaying, "LEASE", timedelta(seconds=0.15))
        seen, renewed = Recorder(), asyncio.Event()
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
            assert await stores.queue.claim_events(10, MINUTE) == []
            await seen(event, event_id)

        monkeypatch.setattr(type(stores.queue), "renew", counted)
        await publish(stores, *changed(1, 2))

        await relay_to(stores, seen=until_it_was_renewed).deliver()

        assert seen.users == [1, 2]
        assert await stores.queue.waiting() == 0

    async def test_a_handler_that_raises_unavailable_is_retried_without_limit_and_delays_no_other(
        self, stores: Stores
    ) -> None:
        other, tries = Recorder(), 0

        async def away(event: ProfileChanged, event_id: EventId) -> None:
            nonlocal tries
            tries += 1
            raise Unavailable("the storage does not answer")

        await publish(stores, *changed(1))
        await passing(
            stores, relay_to(stores, away=away, other=other), MAX_ATTEMPTS + 1, relaying.UNAVAILABLE_PAUSE
        )

        assert (tries, other.users) == (MAX_ATTEMPTS + 1, [1])
        assert await stores.queue.dead(10) == []
        assert await stores.queue.waiting() == 1

    async def test_deliveries_leased_by_a_killed_relay_are_delivered_by_the_next_one(
        self, stores: Stores
    ) -> None:
        seen = Recorder()
        await failed(stores, 3, subscriber="seen")
        await publish(stores, *changed(1, 2))
        await stores.queue.claim_events(10, relaying.LEASE)  # by a relay that is never heard of again
        await stores.queue.claim_remaining(10, relaying.LEASE)

        await stores.pass_time(relaying.LEASE)
        await relay_to(stores, seen=seen).deliver()

        assert sorted(seen.users) == [1, 2, 3]

    async def test_a_commit_wakes_the_relay(self, stores: Stores) -> None:
        arrived: asyncio.Queue[int] = asyncio.Queue()

        async def note(event: ProfileChanged, _: EventId) -> None:
            arrived.put_nowait(event.user_id)

        relay = relay_to(stores, note=note)
        running = asyncio.create_task(relay.run_events(poll=LONG))
        try:
            async with asyncio.timeout(5):
                for user in (1, 2, 3):  # the second finds it asleep
                    await publish(stores, *changed(user))
                    assert await arrived.get() == user
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def test_the_relay_also_polls_for_events(self, stores: Stores) -> None:
        await failed(stores, 2, subscriber="note")
        await publish(stores, *changed(1))
        stores.wake.clear()
        arrived: asyncio.Queue[int] = asyncio.Queue()

        async def note(event: ProfileChanged, _: EventId) -> None:
            arrived.put_nowait(event.user_id)

        relay, poll = relay_to(stores, note=note), timedelta(milliseconds=5)
        running = [asyncio.create_task(work(poll)) for work in (relay.run_events, relay.run_remaining)]
        try:
            async with asyncio.timeout(5):
                assert {await arrived.get(), await arrived.get()} == {1, 2}
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
