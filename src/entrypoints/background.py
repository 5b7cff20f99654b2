"""What a running Waggle does beside answering requests: work that begins again when it fails."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from domain.shared import Unavailable
from entrypoints.container import Container

log = logging.getLogger(__name__)

OBJECTS_SECONDS = 60.0
TOLD_SECONDS = 60.0


async def in_background(stack: AsyncExitStack, name: str, work: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.create_task(_restarted(name, work), name=name)

    async def stop() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(stop)


async def _restarted(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Work that ends is work that failed: say so, wait a moment, begin again. The same reason is told once a minute."""
    told, told_at = "", 0.0
    while True:
        try:
            await work()
        except Unavailable as error:
            if str(error) != told or time.monotonic() - told_at > TOLD_SECONDS:
                told, told_at = str(error), time.monotonic()
                log.warning("%s waits: %s", name, error)
        except Exception:
            log.exception("%s failed and begins again", name)
        await asyncio.sleep(1)


async def refresh_trending(container: Container, seconds: int) -> None:
    """Look often enough that readers seldom find it stale; where it is fresh, made by another process perhaps,
    nothing is done."""
    while True:
        with suppress(Unavailable):  # which is logged, and what there is still serves
            await container.trending.refresh_trending()()
        await asyncio.sleep(seconds / 4 * random.uniform(0.8, 1.0))  # noqa: S311 - no secret


async def sweep_objects(container: Container) -> None:
    """Remove what nothing needs from the storage: after each ended ticket, and in rounds through all objects."""
    while True:
        await container.media.check_ended_tickets()()
        await container.media.sweep_objects()()
        await asyncio.sleep(OBJECTS_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - only apart from each other
