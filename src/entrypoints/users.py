"""`waggle users`."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from domain.shared import UserId, UserNotFound
from entrypoints.configuration import build
from entrypoints.container import Container
from entrypoints.lock import InUse, must_exist
from entrypoints.runtime import open_database, running
from entrypoints.settings import BadSettings, Settings

ERASING_SECONDS = 60
"""How long the command waits for the events that it caused. The next start of a server handles the rest."""
EX_NO_USER = 67
"""The user does not exist (sysexits.h)."""


async def users(settings: Settings, arguments: argparse.Namespace) -> int:
    """End all sessions of a user (`logout`), or delete the account as its owner could (`delete`): its content is erased,
    and its username stays reserved for a while. The servers may keep running."""
    if settings.shape == "memory":
        raise BadSettings("the database is in memory: no other process can reach its users")
    must_exist(settings)
    container = build(settings)
    try:
        if arguments.action == "logout":
            async with open_database(container, settings, alone=False):
                ended = await container.identity.log_out_everywhere().by_operator(
                    await _user_named(container, arguments.username)
                )
            done = f"is logged out: {ended} sessions ended"
        else:
            async with _relayed(container, settings):
                await container.identity.delete_account().by_operator(
                    await _user_named(container, arguments.username)
                )
                if settings.shape == "embedded":  # with PostgreSQL the servers do it
                    await _delivered(container)
            done = "is deleted"
    except UserNotFound:
        sys.stderr.write(f"waggle: there is no user @{arguments.username}\n")
        return EX_NO_USER
    sys.stdout.write(f"@{arguments.username.lower()} {done}\n")
    return 0


async def _user_named(container: Container, username: str) -> UserId:
    user: UserId = (await container.identity_reader().account_named(username.lower())).id
    return user


@asynccontextmanager
async def _relayed(container: Container, settings: Settings) -> AsyncIterator[None]:
    """Open the database, with a process that delivers events: the server if one is running, since it has caches to clear,
    else this process."""
    async with AsyncExitStack() as stack:
        if settings.shape != "embedded" or not await _runs_here(stack, container, settings):
            await stack.enter_async_context(
                open_database(container, settings, alone=False, writes_events=True)
            )
        yield


async def _runs_here(stack: AsyncExitStack, container: Container, settings: Settings) -> bool:
    try:
        await stack.enter_async_context(running(container, settings))
    except InUse:
        return False
    return True


async def _delivered(container: Container) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(ERASING_SECONDS):
            while await container.outbox_queue().waiting():  # noqa: ASYNC110 - a database can only be polled
                await asyncio.sleep(0.1)
