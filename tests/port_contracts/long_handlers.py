"""The calls of handlers that do their work in parts, on every outbox."""

import asyncio
from datetime import timedelta

from application.shared import relay as relaying
from application.shared.events import ProfileChanged
from application.shared.relay import MAX_ATTEMPTS, Relay
from application.shared.subscriptions import InProcess, LongHandler, on, on_long
from domain.shared import EventId
from tests.port_contracts.outbox import LONG, MINUTE, changed, publish
from tests.port_contracts.relay import Recorder, passing
from tests.port_contracts.stores import Stores


class Steps:
    """A long handler that does three parts of each event, and fails before those it should fail before."""

    def __init__(self, *failing: str | None) -> None:
        self.calls: list[tuple[int, str | None]] = []
        self.failing = [*failing]

    async def __call__(self, event: ProfileChanged, _: EventId, continue_from: str | None) -> str | None:
        self.calls.append((event.user_id, continue_from))
        if continue_from in self.failing:
            self.failing.remove(continue_from)
            raise ValueError
        return {None: "1", "1": "2"}.get(continue_from)


def long_relay(stores: Stores, steps: LongHandler[ProfileChanged], other: Recorder) -> Relay:
    chosen = [on_long(ProfileChanged, "steps", steps), on(ProfileChanged, "other", other)]
    return Relay(stores.queue, InProcess(chosen), stores.wake)


class LongHandlersContract:
    async def test_a_long_handler_is_called_until_it_is_done_without_calling_others_again(
        self, stores: Stores
    ) -> None:
        steps, other = Steps(), Recorder()
        relay = long_relay(stores, steps, other)
        await publish(stores, *changed(1, 2))

        while await relay.deliver():
            pass

        assert steps.calls == [(1, None), (2, None), (1, "1"), (2, "1"), (1, "2"), (2, "2")]
        assert other.users == [1, 2]
        assert await stores.queue.waiting() == 0

    async def test_later_events_of_the_aggregate_wait_until_the_long_handler_is_done(
        self, stores: Stores
    ) -> None:
        steps, other = Steps(), Recorder()
        relay = long_relay(stores, steps, other)
        await publish(stores, *changed(1, 1))

        while await relay.deliver():
            pass

        assert steps.calls == [(1, None), (1, "1"), (1, "2")] * 2
        assert other.users == [1, 1]

    async def test_other_events_are_delivered_between_the_calls_of_a_long_handler(
        self, stores: Stores
    ) -> None:
        steps, other = Steps(), Recorder()
        relay = long_relay(stores, steps, other)
        await publish(stores, *changed(1))
        await relay.deliver_events()
        await publish(stores, *changed(2))

        await relay.deliver()

        assert (other.users, steps.calls) == ([1, 2], [(1, None), (2, None), (1, "1"), (2, "1")])

    async def test_a_running_relay_calls_a_long_handler_again_at_once(self, stores: Stores) -> None:
        done, calls = asyncio.Event(), list[str | None]()

        async def counts(_event: ProfileChanged, _: EventId, continue_from: str | None) -> str | None:
            calls.append(continue_from)
            number = int(continue_from or 0) + 1
            if number == 20:
                done.set()
            return None if number == 20 else str(number)

        relay = long_relay(stores, counts, Recorder())
        running = [asyncio.create_task(work(LONG)) for work in (relay.run_events, relay.run_remaining)]
        try:
            for _ in range(50):
                await asyncio.sleep(0)  # both find nothing, and wait for events
            await publish(stores, *changed(1))
            async with asyncio.timeout(5):
                await done.wait()
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)

        assert calls == [None, *map(str, range(1, 20))]

    async def test_continue_from_survives_a_failure_and_a_killed_process(self, stores: Stores) -> None:
        steps, other = Steps("1"), Recorder()
        await publish(stores, *changed(1))
        await long_relay(
            stores, steps, other
        ).deliver()  # of what is left the first part is done, the next fails
        await stores.pass_time(MINUTE)
        await stores.queue.claim_remaining(10, relaying.LEASE)  # by a process that is killed
        await stores.pass_time(relaying.LEASE)

        await passing(stores, long_relay(stores, steps, other), 2, MINUTE)

        assert steps.calls == [(1, None), (1, "1"), (1, "1"), (1, "2")]
        assert other.users == [1]
        assert await stores.queue.waiting() == 0

    async def test_a_replayed_dead_letter_continues_where_its_handler_stopped(self, stores: Stores) -> None:
        steps, other = Steps(*["2"] * MAX_ATTEMPTS), Recorder()
        relay = long_relay(stores, steps, other)
        await publish(stores, *changed(1))
        await passing(stores, relay, MAX_ATTEMPTS + 3, timedelta(minutes=10))
        assert [letter.subscriber for letter, _ in await stores.queue.dead(10)] == ["steps"]
        del steps.calls[:]

        await stores.queue.replay()
        await relay.deliver()

        assert steps.calls == [(1, "2")]
        assert await stores.queue.waiting() == 0
