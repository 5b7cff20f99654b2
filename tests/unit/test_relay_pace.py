"""The first event after a quiet moment is delivered at once. Those that follow within the pace share a batch."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from application.shared.deliveries import Delivery
from application.shared.relay import PACE, Relay
from application.shared.subscriptions import InProcess


async def test_events_that_follow_within_the_pace_share_a_batch() -> None:
    claims = 0

    class CountsClaims:
        async def claim_events(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
            nonlocal claims
            claims += 1
            claimed.set()
            return []

    claimed = asyncio.Event()
    relay = Relay(CountsClaims(), InProcess([]))  # type: ignore[arg-type]  # it claims and finds nothing
    running = asyncio.create_task(relay.run_events(timedelta(seconds=60)))
    try:
        async with asyncio.timeout(10):
            await claimed.wait()
            loop = asyncio.get_running_loop()
            begun = loop.time()
            for _event in range(100):
                relay.wake.set()
                await asyncio.sleep(0.001)
            batches = (loop.time() - begun) / PACE.total_seconds()
            claimed.clear()
            relay.wake.set()
            await claimed.wait()  # the last events are not left to the next poll
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert 2 <= claims <= batches + 3
