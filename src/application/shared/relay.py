"""Carries the outbox's events to the reactions of other modules."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from application.shared.events import Event
from application.shared.leases import LeasedBatch
from application.shared.ports import Delivery, OutboxQueue
from domain.shared import EventId, Unavailable

EventHandler: TypeAlias = Callable[[Any, EventId], Awaitable[None]]
"""Takes an event of a type it subscribed to, and the event's id. It may be called again with the same
id and must then have no further effect (see `Inbox`). To raise is to ask for another try."""

EventHandlers: TypeAlias = Mapping[type[Event], Sequence[EventHandler]]

log = logging.getLogger(__name__)

BATCH = 200
LEASE = timedelta(seconds=5)
"""Renewed while events are delivered. So what a killed process had claimed goes on within seconds."""
MAX_ATTEMPTS = 12
UNKNOWN_ATTEMPTS, UNKNOWN_PAUSE = 2880, timedelta(seconds=30)
"""An event of a kind that is not known here waits a day for a newer process that knows it."""
PATIENCE = timedelta(seconds=10)
"""When the reactions to an event take longer together, it has failed."""
AWAY_PAUSE = timedelta(seconds=2)
"""After a reaction said that something it needs is away. That does not count as an attempt: the event is not to blame."""
BATCH_SECONDS = 20.0
"""After that no further event of a batch is begun: other relays may be free to deliver it."""


@dataclass(frozen=True, slots=True)
class Relay:
    """At least once, in order within an aggregate, with retries and dead letters.

    Several relays may work on one outbox. An event that keeps failing holds up its own aggregate
    only, and after MAX_ATTEMPTS (about a quarter of an hour) goes to the dead letters. One whose reaction
    raises Unavailable is tried until what it needs is back.
    """

    queue: OutboxQueue
    event_handlers: EventHandlers
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by whoever has just committed events in this process; `run` also looks by itself."""

    async def run(self, poll: timedelta = timedelta(seconds=1)) -> None:
        """Deliver until cancelled. Raises nothing but what the store raises; the caller restarts it."""
        while True:
            self.wake.clear()
            if await self.deliver() < BATCH:
                try:
                    async with asyncio.timeout(poll.total_seconds()):
                        await self.wake.wait()
                except TimeoutError:
                    pass  # nobody called: look all the same, another process may have written
            await asyncio.sleep(0)  # a store that never waits must not starve everybody else

    async def deliver(self) -> int:
        """Deliver one batch; how many events were claimed."""
        claimed = await self.queue.claim(BATCH, LEASE)
        if not claimed:
            return 0
        loop = asyncio.get_running_loop()
        last_start = loop.time() + BATCH_SECONDS
        delivered: list[Delivery] = []
        held_up: set[str] = set()
        async with LeasedBatch.of(self.queue, claimed, LEASE) as batch:
            try:
                for delivery in claimed:
                    if delivery.aggregate in held_up or loop.time() > last_start or not batch.holds(delivery):
                        held_up.add(delivery.aggregate)
                    elif await self._carry(delivery, batch):
                        delivered.append(delivery)
                    else:
                        held_up.add(delivery.aggregate)
            finally:  # all that is done in one transaction; also when this is stopped in the middle
                await batch.done(delivered)
        return len(claimed)

    async def _carry(self, delivery: Delivery, batch: LeasedBatch) -> bool:
        """True when the event needs no further try: every reaction took it, or it was buried."""
        if delivery.event is None and delivery.kind not in Event.kinds:
            return await self._again(delivery, batch, "unknown kind", UNKNOWN_ATTEMPTS, UNKNOWN_PAUSE)
        if delivery.event is None:
            return await self._again(delivery, batch, "unreadable", MAX_ATTEMPTS, _pause(delivery.attempts))
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                for reaction in self.event_handlers.get(type(delivery.event), ()):
                    await reaction(delivery.event, delivery.event_id)
        except Unavailable as error:
            log.info("event %s %s waits: %s", delivery.kind, delivery.event_id, error)
            await batch.retry(delivery, AWAY_PAUSE * _jitter(), counted=False)
            return False
        except (Exception, asyncio.CancelledError) as error:  # what one raises must not stop the others
            if isinstance(error, asyncio.CancelledError) and _stopping():
                raise
            reason = _printable(f"{type(error).__name__}: {error}"[:500])
            return await self._again(delivery, batch, reason, MAX_ATTEMPTS, _pause(delivery.attempts))
        return True

    async def _again(
        self, delivery: Delivery, batch: LeasedBatch, reason: str, attempts: int, pause: timedelta
    ) -> bool:
        """Bury the event if it had its `attempts`, else let it wait for the next."""
        if delivery.attempts + 1 >= attempts:
            log.error("event %s %s goes to the dead letters: %s", delivery.kind, delivery.event_id, reason)
            await batch.bury(delivery, reason)
            return True
        log.warning("event %s %s failed: %s", delivery.kind, delivery.event_id, reason)
        await batch.retry(delivery, pause, counted=True)
        return False


def _stopping() -> bool:
    """Whether it is this task that somebody cancelled, and not something that a reaction waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _printable(text: str) -> str:
    """Without what a database refuses to store: NUL, and halves of surrogate pairs."""
    return text.encode(errors="replace").decode().replace("\0", "?")


def _pause(attempts: int) -> timedelta:
    """Between half and all of 1, 2, 4 ... 300 seconds."""
    return timedelta(seconds=min(2.0**attempts, 300) * _jitter())


def _jitter() -> float:
    """What failed together is not tried together."""
    return random.uniform(0.5, 1)  # noqa: S311 - no secret
