"""Delivers the events of the outbox. Each subscriber has its own attempts, order and dead letters."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field, replace
from datetime import timedelta

from application.shared.deliveries import Delivery, OutboxQueue, Remaining
from application.shared.events import Event
from application.shared.leases import LeasedBatch
from application.shared.log import log
from application.shared.log_events import DeliveryDead, DeliveryFailed, DeliveryWaits
from application.shared.subscriptions import Failed, Handled, Outcome, Subscribers
from domain.dataclasses import dataclass

BATCH = 200
LEASE = timedelta(seconds=5)
"""Renewed while events are delivered. If a process is killed, other processes continue within seconds."""
MAX_ATTEMPTS = 12
UNKNOWN_ATTEMPTS, UNKNOWN_PAUSE = 2880, timedelta(seconds=30)
"""An unknown event type or subscriber waits a day for a process of a newer version."""
UNAVAILABLE_PAUSE = timedelta(seconds=2)
"""After a subscriber raised Unavailable. That does not count as an attempt."""
BATCH_SECONDS = 20.0
"""After that, no further delivery of a batch is started: another relay may be idle."""
POLL = timedelta(seconds=1)
PACE = timedelta(milliseconds=20)
"""The least time from the start of a batch of new events that is not full to the start of the next. An event that arrives
after a quiet moment is delivered at once; under load, those of 20 ms share the claim and the settling
(docs/performance.md)."""
DONE = Handled()


@dataclass(frozen=True, slots=True)
class Relay:
    """Delivers at least once, in order within an aggregate and subscriber, with retries and dead letters.

    An event is one row of the outbox until every subscriber was called. A subscriber that failed, or that has more work to
    do, gets a delivery of its own; later events of the aggregate wait behind it, for this subscriber only. A delivery that
    fails MAX_ATTEMPTS times, within about a quarter of an hour, becomes a dead letter. A delivery whose subscriber raises
    Unavailable is retried without limit. Several relays may work on one outbox.
    """

    queue: OutboxQueue
    subscribers: Subscribers
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this process has committed events. The relay also polls."""
    wake_remaining: asyncio.Event = field(default_factory=asyncio.Event)

    async def run_events(self, poll: timedelta = POLL) -> None:
        """Deliver new events until cancelled. Raises only the errors of the store; the caller restarts it."""
        await _repeat(self.deliver_events, self.wake, poll, PACE)

    async def run_remaining(self, poll: timedelta = POLL) -> None:
        """Deliver what remains after the first calls, until cancelled. Runs beside `run_events`, so that no new event waits for
        retries and long work."""
        await _repeat(self.deliver_remaining, self.wake_remaining, poll)

    async def deliver(self) -> int:
        """Deliver one batch of each kind. Returns the number of claimed deliveries."""
        return await self.deliver_events() + await self.deliver_remaining()

    async def deliver_events(self) -> int:
        return await self._deliver(await self.queue.claim_events(BATCH, LEASE))

    async def deliver_remaining(self) -> int:
        return await self._deliver(await self.queue.claim_remaining(BATCH, LEASE))

    async def _deliver(self, claimed: Sequence[Delivery]) -> int:
        if not claimed:
            return 0
        loop = asyncio.get_running_loop()
        last_start = loop.time() + BATCH_SECONDS
        is_more_due = False
        held_up: set[tuple[str, str]] = set()
        """Pairs of aggregate and subscriber that get nothing more in this batch."""
        async with LeasedBatch.of(self.queue, claimed, LEASE) as batch:
            for delivery in claimed:
                place = delivery.aggregate, delivery.subscriber
                if place in held_up or loop.time() > last_start or not batch.holds(delivery):
                    held_up.add(place)
                    continue
                remaining = await self._try(delivery, held_up)
                held_up.update((delivery.aggregate, one.subscriber) for one in remaining if not one.is_dead)
                batch.tried(delivery, remaining)
                is_more_due = is_more_due or any(not one.after for one in remaining)
        if is_more_due:
            self.wake_remaining.set()
        return len(claimed)

    async def _try(self, delivery: Delivery, held_up: set[tuple[str, str]]) -> Sequence[Remaining]:
        """Call the subscribers of the delivery. Returns what remains to be done."""
        event = delivery.event
        if event is None and delivery.kind not in Event.kinds:
            return [_unknown(delivery, delivery.subscriber, "unknown kind")]
        if event is None:
            return [_failed(delivery, delivery.subscriber, "unreadable")]
        remaining: list[Remaining] = []
        for name in [delivery.subscriber] if delivery.subscriber else self.subscribers.of(event):
            if name in delivery.behind or (delivery.aggregate, name) in held_up:
                remaining.append(Remaining(name))
                continue
            outcome = await self.subscribers.deliver(
                name, event, delivery.event_id, delivery.continue_from, delivery.traceparent
            )
            if outcome != DONE:
                remaining.append(_remaining(delivery, name, outcome))
        return remaining


def _remaining(delivery: Delivery, subscriber: str, outcome: Outcome) -> Remaining:
    if not delivery.subscriber:  # its attempts were attempts to read the event at all
        delivery = replace(delivery, attempts=0)
    match outcome:
        case Handled(continue_from):
            return Remaining(subscriber, continue_from=continue_from)
        case Failed(reason, is_counted=False):
            log(
                DeliveryWaits(
                    subscriber=subscriber, kind=delivery.kind, event_id=delivery.event_id, reason=reason
                )
            )
            pause = UNAVAILABLE_PAUSE * _jitter()
            return Remaining(subscriber, delivery.attempts, pause, delivery.continue_from, reason)
        case Failed(reason):
            return _failed(delivery, subscriber, reason)
        case _:
            return _unknown(delivery, subscriber, "unknown subscriber")


def _failed(delivery: Delivery, subscriber: str, reason: str) -> Remaining:
    pause = timedelta(seconds=min(2.0**delivery.attempts, 300) * _jitter())  # about 1, 2, 4 ... 300
    return _again(delivery, subscriber, reason, pause, MAX_ATTEMPTS)


def _unknown(delivery: Delivery, subscriber: str, reason: str) -> Remaining:
    return _again(delivery, subscriber, reason, UNKNOWN_PAUSE, UNKNOWN_ATTEMPTS)


def _again(
    delivery: Delivery, subscriber: str, reason: str, pause: timedelta, max_attempts: int
) -> Remaining:
    """A retry, or a dead letter after `max_attempts`."""
    attempts = delivery.attempts + 1
    is_dead = attempts >= max_attempts
    log(
        (DeliveryDead if is_dead else DeliveryFailed)(
            subscriber=subscriber or "all subscribers",
            kind=delivery.kind,
            event_id=delivery.event_id,
            attempts=attempts,
            reason=reason,
        )
    )
    return Remaining(subscriber, attempts, pause, delivery.continue_from, reason, is_dead)


async def _repeat(
    work: Callable[[], Awaitable[int]], wake: asyncio.Event, poll: timedelta, pace: timedelta = timedelta()
) -> None:
    """Call `work` until it finds nothing to do, then again when woken or after `poll`. A call that did less than BATCH is
    followed by the next no sooner than `pace` after its start."""
    loop = asyncio.get_running_loop()
    while True:
        wake.clear()
        earliest = loop.time() + pace.total_seconds()
        if done := await work():
            # Events that waited behind those of this batch may be due now.
            await asyncio.sleep(earliest - loop.time() if done < BATCH else 0)
            continue
        try:
            async with asyncio.timeout(poll.total_seconds()):
                await wake.wait()
        except TimeoutError:
            pass  # another process may have committed events


def _jitter() -> float:
    """A factor from 0.5 to 1, so that deliveries that failed together are not retried together."""
    return random.uniform(0.5, 1)  # noqa: S311 - no secret
