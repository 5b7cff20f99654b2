"""The lease of a batch of deliveries, renewed until each is settled or released."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from application.shared.deliveries import Delivery, OutboxQueue, Remaining, Settled
from application.shared.log import log
from application.shared.log_events import LeaseNotRenewed
from domain.shared import Unavailable


@dataclass(slots=True)
class LeasedBatch:
    """A renewal changes what tells a lease from others. So it never runs while deliveries are settled."""

    queue: OutboxQueue
    lease: timedelta
    _held: dict[tuple[int, str], Delivery]
    _tried: dict[tuple[int, str], Sequence[Remaining]] = field(default_factory=dict)
    _renewing: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def of(
        cls, queue: OutboxQueue, claimed: Iterable[Delivery], lease: timedelta
    ) -> AsyncIterator["LeasedBatch"]:
        """Renew the lease while the block runs. When the block ends or is cancelled, settle the deliveries that were tried in
        one transaction, and release the others, so that nothing has to wait until the lease ends."""
        batch = cls(queue, lease, {delivery.key: delivery for delivery in claimed})
        # Most batches end earlier and need no task.
        timer = asyncio.get_running_loop().call_later(batch._pause, batch._begin_renewing)
        try:
            yield batch
        finally:
            timer.cancel()
            if batch._renewing is not None:
                batch._renewing.cancel()
                await asyncio.wait([batch._renewing])
            await batch._end()

    def holds(self, delivery: Delivery) -> bool:
        """Whether the lease is still held. If it was lost, another relay may be delivering the event."""
        return delivery.key in self._held

    def tried(self, delivery: Delivery, remaining: Sequence[Remaining]) -> None:
        self._tried[delivery.key] = remaining

    async def _end(self) -> None:
        untried = [delivery for key, delivery in self._held.items() if key not in self._tried]
        tried = [
            Settled(self._held[key], remaining) for key, remaining in self._tried.items() if key in self._held
        ]
        try:
            if tried:
                await self.queue.settle(tried)
        finally:
            if untried:
                await self.queue.release(untried)

    @property
    def _pause(self) -> float:
        return self.lease.total_seconds() / 3

    def _begin_renewing(self) -> None:
        self._renewing = asyncio.create_task(self._renew(), name="lease of events")

    async def _renew(self) -> None:
        while True:
            try:
                renewed = await self.queue.renew(list(self._held.values()), self.lease)
            except Unavailable as error:
                log(LeaseNotRenewed(count=len(self._held), reason=str(error)))
            else:
                self._held = {delivery.key: delivery for delivery in renewed}
            await asyncio.sleep(self._pause)
