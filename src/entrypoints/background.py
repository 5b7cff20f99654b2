"""Background work of a running server. Work that fails is started again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from adapters.security.tokens import load_keys
from adapters.sql.maintenance import purge_shared
from application.shared.events import AccountDeleted
from application.shared.log import background_task, log
from application.shared.subscriptions import deliver_again
from domain.shared import EventId, Unavailable
from entrypoints.container import Container
from entrypoints.log_events import BackgroundFailed, BackgroundWaits, MaintenanceFailed, MaintenanceUnfinished
from entrypoints.settings import Settings

OBJECTS_SECONDS = 60.0
"""The pause between two sweeps of the storage."""
REPEAT_LOG_SECONDS = 60.0
"""The pause before the same warning is logged again."""
MAINTENANCE_SECONDS = 3600.0
KEYS_SECONDS = 2.0
"""The interval at which a process looks for changes of the signing keys."""


async def in_background(stack: AsyncExitStack, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run the work until the stack is closed, restarting it whenever it ends or fails."""
    task = asyncio.create_task(_restarted(name, work), name=name)

    async def stop() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(stop)


async def _restarted(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Start the work again, a second after it ended or failed. Log the reason, the same one at most once a minute."""
    background_task.set(name)
    logged, logged_at = "", 0.0
    while True:
        try:
            await work()
        except Unavailable as error:
            if str(error) != logged or time.monotonic() - logged_at > REPEAT_LOG_SECONDS:
                logged, logged_at = str(error), time.monotonic()
                log(BackgroundWaits(task=name, reason=str(error)))
        except Exception as error:  # noqa: BLE001 - whatever it was, the work must go on
            log(BackgroundFailed(task=name), error)
        await asyncio.sleep(1)


async def refresh_trending(container: Container, seconds: int) -> None:
    """Refresh the trending lists often enough that readers seldom find them stale. Does nothing while they are fresh, for
    example because another process has refreshed them."""
    while True:
        with suppress(Unavailable):  # it is logged, and the old list is still served
            await container.feeds().refresh_trending()
        await asyncio.sleep(seconds / 4 * random.uniform(0.8, 1.0))  # noqa: S311 - no secret


async def sweep_objects(container: Container) -> None:
    """Remove objects that are no longer needed from the storage: those of ended tickets, and in rounds through all objects."""
    while True:
        await container.media().check_expired_tickets()
        await container.media().purge_orphaned_objects()
        await asyncio.sleep(OBJECTS_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the processes, no secret


async def follow_keys(container: Container) -> None:
    """Notice what `waggle keys` changed: a revoked key is refused within seconds."""
    keys, store, secrets = container.keys(), container.identity_stores().keys, container.secrets()
    while True:
        await asyncio.sleep(KEYS_SECONDS)
        if await load_keys(keys, store, secrets, container.now()()):
            container.identity().authenticate.forget()


async def _erase_late_writes(container: Container) -> None:
    for user in await container.posts().list_recently_deleted():
        event = AccountDeleted(user_id=user)
        await deliver_again(container.subscribers(), event, EventId(container.ids()()))


async def run_maintenance(container: Container, settings: Settings) -> None:
    while True:
        try:
            await container.notifications().trim_streams()
            await container.identity().purge_security_records()
            if settings.shape != "memory":
                await _erase_late_writes(container)
                await purge_shared(container.database())()
            for module in (
                container.identity(),
                container.graph(),
                container.posts(),
                container.feeds(),
                container.notifications(),
            ):
                await module.purge_expired()
            # Last: the storage may be unavailable while everything else works.
            await container.media().purge_expired_media()
        except Unavailable as error:
            log(MaintenanceUnfinished(reason=str(error)))
        except Exception as error:  # noqa: BLE001 - as above
            log(MaintenanceFailed(), error)
        await asyncio.sleep(MAINTENANCE_SECONDS)
