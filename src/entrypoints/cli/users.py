"""`waggle users`."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from domain.shared import UserId, UserNotFound
from entrypoints.cli.command import EX_NO_USER, Command, print_error, print_line, require_stored_data
from entrypoints.container import Container, build
from entrypoints.lock import InUse
from entrypoints.runtime import open_database, running
from entrypoints.settings import Settings

ERASING_SECONDS = 60
"""The seconds for which the command waits for the events that it caused. The next start of a server handles the rest."""


async def manage_users(settings: Settings, arguments: argparse.Namespace) -> int:
    require_stored_data(settings, "users")
    container = build(settings)
    try:
        if arguments.action == "logout":
            ended = await _log_out(container, settings, arguments.username)
            done = f"is logged out: {ended} sessions ended"
        else:
            await _delete(container, settings, arguments.username)
            done = "is deleted"
    except UserNotFound:
        print_error(f"there is no user @{arguments.username}")
        return EX_NO_USER
    print_line(f"@{arguments.username.lower()} {done}")
    return 0


async def _log_out(container: Container, settings: Settings, username: str) -> int:
    """The number of sessions that ended."""
    async with open_database(container, settings, alone=False):
        ended: int = await container.identity().end_own_sessions.by_operator(
            await _user_named(container, username)
        )
    return ended


async def _delete(container: Container, settings: Settings, username: str) -> None:
    async with _relayed(container, settings):
        await container.identity().delete_account.by_operator(await _user_named(container, username))
        if settings.shape == "embedded":  # with PostgreSQL the servers do it
            await _delivered(container)


async def _user_named(container: Container, username: str) -> UserId:
    return (await container.identity().read_profile.named(username)).id


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


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="logout | delete", dest="action")
    logout = actions.add_parser("logout", help="end all sessions of a user")
    delete = actions.add_parser("delete", help="delete an account and everything that it created")
    for action in (logout, delete):
        action.add_argument("username")


USERS = Command(
    "users",
    "End all sessions of a user (`logout`), or delete the account as its owner could (`delete`): its content is erased, "
    "and its username stays reserved for a while. Servers may be running.",
    manage_users,
    _add_arguments,
)
