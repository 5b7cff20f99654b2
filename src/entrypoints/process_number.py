"""Hold the process number that ids are made with."""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack

from adapters.ids import IdAllocator, Lease
from adapters.sql.database import Database
from adapters.sql.process_numbers import LEASE, ProcessNumbers
from adapters.sql.server import allowed_connections
from application.shared.log import log
from domain.shared import Unavailable
from entrypoints.background import in_background
from entrypoints.container import Container
from entrypoints.log_events import ProcessNumberNotRenewed, TooFewDatabaseConnections
from entrypoints.settings import BadSettings, Settings


async def hold_process_number(stack: AsyncExitStack, container: Container, settings: Settings) -> None:
    """Lease a process number, without which no ids can be made, and keep the lease until the stack is closed."""
    database = container.database()
    numbers = ProcessNumbers(database, secrets.token_hex(8))
    lease = await _take(numbers, container.ids())
    if settings.on_postgres:
        await _check_connections(database, settings.database_connections, lease.processes)
    await in_background(stack, "process number", lambda: keep_lease(numbers, container.ids(), lease))


async def _check_connections(database: Database, connections: int, processes: int) -> None:
    """Compare the connections that the processes may open with those that the server allows. Refuse to start if this
    process alone exceeds them. If the processes exceed them together, only warn: one of them may be about to stop."""
    allowed = await allowed_connections(database)
    if allowed is None:
        return
    if connections > allowed:
        raise BadSettings(
            f"WAGGLE_DATABASE_CONNECTIONS is {connections}, but the database server allows this user only {allowed} "
            "connections, besides those that are reserved for others"
        )
    if processes * connections > allowed:
        log(
            TooFewDatabaseConnections(
                processes=processes, connections=connections, needed=processes * connections, allowed=allowed
            )
        )


async def _take(numbers: ProcessNumbers, ids: IdAllocator) -> Lease:
    asked_at = time.monotonic()
    lease = await numbers.take()
    ids.renewed(lease, asked_at=asked_at)
    return lease


async def keep_lease(numbers: ProcessNumbers, ids: IdAllocator, lease: Lease | None) -> None:
    """Renew the lease of the process number well before it ends. The allocator stops by itself if the lease was not
    renewed in time. Another number is taken as soon as the database is available again."""
    pause = LEASE.total_seconds() / 3
    while True:
        await asyncio.sleep(pause)
        pause = 1.0  # after a failure writes may already be refused: every second counts
        try:
            asked_at = time.monotonic()
            if lease and (lease := await numbers.renew(lease)) is None:
                ids.lost()
            if lease is None:
                asked_at = time.monotonic()
                lease = await numbers.take()
        except Unavailable as error:
            log(ProcessNumberNotRenewed(reason=str(error)))
            continue
        ids.renewed(lease, asked_at=asked_at)
        pause = LEASE.total_seconds() / 3
