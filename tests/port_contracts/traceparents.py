"""The contract of the trace that stores record with events and stream entries."""

from datetime import timedelta

from adapters.trace_context import traceparent
from application.shared.deliveries import Remaining, Settled
from application.shared.events import Event, ProfileChanged
from application.shared.relay import Relay
from application.shared.subscriptions import Handled, Outcome
from domain.shared import EventId
from tests.port_contracts.outbox import publish
from tests.port_contracts.stores import Stores
from tests.port_contracts.stream_data import a_user, notify

MINUTE = timedelta(minutes=1)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class _Subscriber:
    """A subscriber that records the traces it is called in."""

    def __init__(self, outcome: Outcome) -> None:
        self.traces: list[str | None] = []
        self.outcome = outcome

    def of(self, _event: Event) -> list[str]:
        return ["a"]

    async def deliver(
        self,
        _subscriber: str,
        _event: Event,
        _event_id: EventId,
        _continue_from: str | None = None,
        traceparent: str | None = None,
    ) -> Outcome:
        self.traces.append(traceparent)
        return self.outcome


class TraceparentsContract:
    async def test_an_event_keeps_the_trace_in_which_it_was_published(self, stores: Stores) -> None:
        before = traceparent.set(TRACE)
        await publish(stores, ProfileChanged(user_id=1))
        traceparent.reset(before)
        await publish(stores, ProfileChanged(user_id=2))

        first, second = await stores.queue.claim_events(10, MINUTE)

        assert (first.traceparent, second.traceparent) == (TRACE, None)

    async def test_retries_and_replayed_dead_letters_keep_it(self, stores: Stores) -> None:
        before = traceparent.set(TRACE)
        await publish(stores, ProfileChanged(user_id=1))
        traceparent.reset(before)
        (event,) = await stores.queue.claim_events(10, MINUTE)

        await stores.queue.settle([Settled(event, [Remaining("a", 1, error="no")])])
        (retry,) = await stores.queue.claim_remaining(10, MINUTE)
        await stores.queue.settle([Settled(retry, [Remaining("a", 12, error="no", is_dead=True)])])
        await stores.queue.replay()
        (replayed,) = await stores.queue.claim_remaining(10, MINUTE)

        assert (retry.traceparent, replayed.traceparent) == (TRACE, TRACE)

    async def test_the_relay_passes_it_to_subscribers(self, stores: Stores) -> None:
        before = traceparent.set(TRACE)
        await publish(stores, ProfileChanged(user_id=1))
        traceparent.reset(before)
        subscriber = _Subscriber(Handled(continue_from="more"))
        relay = Relay(stores.queue, subscriber)

        await relay.deliver_events()
        await relay.deliver_remaining()

        assert subscriber.traces == [TRACE, TRACE]

    async def test_a_stream_entry_keeps_the_trace_in_which_it_was_added(self, stores: Stores) -> None:
        user = a_user()
        before = traceparent.set(TRACE)
        await notify(stores, user)
        traceparent.reset(before)
        await notify(stores, user)

        entries = await stores.notifications.reader.after(user, 0, 10)

        assert [entry.traceparent for entry in entries] == [TRACE, None]
