"""The lease of what one relay claimed, renewed until each event is delivered or given back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from application.shared.ports import Delivery, OutboxQueue
from domain.shared import Unavailable

log = logging.getLogger(__name__)


@dataclass(slots=True)
class LeasedBatch:
    """A renewal changes what tells a lease from others. So it never runs while an event is given back."""

    queue: OutboxQueue
    lease: timedelta
    _held: dict[int, Delivery]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    @asynccontextmanager
    async def of(
        cls, queue: OutboxQueue, claimed: Iterable[Delivery], lease: timedelta
    ) -> AsyncIterator["LeasedBatch"]:
        """Renew the lease while the block runs. Events that were not given back by its end are given back untried,
        also if the block is cancelled: nobody shall have to wait for the lease to end."""
        batch = cls(queue, lease, {delivery.seq: delivery for delivery in claimed})
        renewing = asyncio.create_task(batch._renew(), name="lease of events")
        try:
            yield batch
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            await queue.release(list(batch._held.values()))

    def holds(self, delivery: Delivery) -> bool:
        """False once the lease was lost: another relay may be delivering the event."""
        return delivery.seq in self._held

    async def done(self, deliveries: Iterable[Delivery]) -> None:
        async with self._turn:
            await self.queue.done(self._taken(deliveries))

    async def retry(self, delivery: Delivery, after: timedelta, *, counted: bool) -> None:
        async with self._turn:
            for held in self._taken([delivery]):
                await self.queue.retry(held, after, counted=counted)

    async def bury(self, delivery: Delivery, reason: str) -> None:
        async with self._turn:
            for held in self._taken([delivery]):
                await self.queue.bury(held, reason)

    def _taken(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        held = (self._held.pop(delivery.seq, None) for delivery in deliveries)
        return [delivery for delivery in held if delivery is not None]

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            async with self._turn:
                try:
                    renewed = await self.queue.renew(list(self._held.values()), self.lease)
                except Unavailable as error:
                    log.warning("the lease of %d events is not renewed: %s", len(self._held), error)
                    continue
                self._held = {delivery.seq: delivery for delivery in renewed}
