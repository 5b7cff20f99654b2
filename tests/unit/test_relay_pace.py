"""The first event after a quiet moment is delivered at once. Those that follow within the pace share a batch."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from unittest.mock import patch

from application.shared.deliveries import Delivery
from application.shared.events import ProfileChanged
from application.shared.relay import PACE
from domain.shared import EventId
from tests.port_contracts.outbox import changed, publish
from tests.port_contracts.relay import relay_to
from tests.port_contracts.stores import memory

LONG = timedelta(seconds=60)
EVENTS = 100


async def test_events_that_follow_within_the_pace_share_a_batch() -> None:
    arrived: asyncio.Queue[int] = asyncio.Queue()
    batches: list[int] = []

    async def note(event: ProfileChanged, _: EventId) -> None:
        arrived.put_nowait(event.user_id)

    async with memory() as stores:
        claim = stores.queue.claim_events

        async def counted(self: object, limit: int, lease: timedelta) -> Sequence[Delivery]:
            claimed = await claim(limit, lease)
            batches.append(len(claimed))
            return claimed

        with patch.object(type(stores.queue), "claim_events", counted):
            running = asyncio.create_task(relay_to(stores, note=note).run_events(LONG))
            try:
                async with asyncio.timeout(20):
                    await publish(stores, *changed(0))
                    assert await arrived.get() == 0
                    loop = asyncio.get_running_loop()
                    begun = loop.time()
                    for user in range(1, EVENTS):
                        await publish(stores, *changed(user))
                        await asyncio.sleep(0.001)  # events follow each other within the pace
                    assert [await arrived.get() for _ in range(1, EVENTS)] == [*range(1, EVENTS)]
                    most = (loop.time() - begun) / PACE.total_seconds() + 2
            finally:
                running.cancel()
                await asyncio.wait([running])

    assert sum(batches) == EVENTS
    assert sum(1 for size in batches if size) <= most
