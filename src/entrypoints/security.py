"""Store security events in the background, and those that are left before the process ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from application.identity.security import SecurityLog, flushed
from entrypoints.container import Container

SECONDS = 1.0
"""The pause between two flushes."""


@asynccontextmanager
async def security_events_stored(container: Container) -> AsyncIterator[None]:
    security = container.identity().security
    task = asyncio.create_task(_keep_flushing(security), name="security events")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await flushed(security, everything=True)


async def _keep_flushing(security: SecurityLog) -> None:
    while True:
        await asyncio.sleep(SECONDS)
        await flushed(security)
