"""The lag of the event loop."""

import asyncio

from adapters.metered.meters import Histogram

SECONDS = 0.25


async def measure_lag(lag: Histogram) -> None:
    """Observe how late a timer runs, four times a second. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SECONDS
        await asyncio.sleep(SECONDS)
        lag.observe(max(0.0, loop.time() - due))
