"""Spans of event handlers."""

from collections.abc import Sequence

from adapters.traces.spans import Traces
from application.shared.events import Event
from application.shared.subscriptions import Handled, Outcome, Subscribers
from domain.shared import EventId


class TracedSubscribers:
    """Subscribers whose calls are spans of the trace in which the event was published. What a handler publishes belongs to
    the same trace. A call for an event without a trace is no span."""

    def __init__(self, subscribers: Subscribers, traces: Traces) -> None:
        self._subscribers, self._traces = subscribers, traces

    def of(self, event: Event) -> Sequence[str]:
        return self._subscribers.of(event)

    async def deliver(
        self,
        subscriber: str,
        event: Event,
        event_id: EventId,
        continue_from: str | None = None,
        traceparent: str | None = None,
    ) -> Outcome:
        if traceparent is None:
            return await self._subscribers.deliver(subscriber, event, event_id, continue_from)
        with self._traces.process(type(event).__name__, subscriber, traceparent) as fail:
            outcome = await self._subscribers.deliver(subscriber, event, event_id, continue_from, traceparent)
            if not isinstance(outcome, Handled):
                fail(type(outcome).__name__)
            return outcome
