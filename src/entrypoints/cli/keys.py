"""`waggle keys`."""

import argparse
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from adapters.security.tokens import SigningKeys, load_keys
from adapters.sql.migrate import check_schema
from application.identity.security import flushed
from entrypoints.cli.command import (
    EX_TEMPFAIL,
    EX_USAGE,
    Command,
    print_error,
    print_line,
    require_stored_data,
)
from entrypoints.container import Container, build
from entrypoints.runtime import OTHER_KEY
from entrypoints.settings import BadSettings, Settings


async def manage_keys(settings: Settings, arguments: argparse.Namespace) -> int:
    async with _key_store(settings) as container:
        status = 0
        if arguments.action == "rotate":
            status = await _rotate(container, timedelta(seconds=arguments.published))
        elif arguments.action == "revoke":
            status = await _revoke(container, arguments.kid)
        if status == 0:
            for key in await container.identity().list_keys():
                print_line(f"{key.kid}\t{key.state}\tmade {key.made_at:%Y-%m-%d %H:%M:%S}Z")
    return status


async def _rotate(container: Container, published: timedelta) -> int:
    done = await container.identity().rotate_keys(published)
    if done.activated is None:
        seconds = math.ceil(done.wait.total_seconds())
        print_line(
            f"nothing rotated: the next key must be published for {seconds} more seconds before it signs"
        )
        return EX_TEMPFAIL
    print_line(f"{done.activated} signs from now on; the next key is {done.made}")
    return 0


async def _revoke(container: Container, kid: str) -> int:
    revoked = await container.identity().revoke_key(kid)
    if revoked is None:
        print_error(f"there is no key {kid}")
        return EX_USAGE
    print_line(f"{kid} is revoked: its tokens are refused within five seconds")
    if revoked.state != "next":  # it may have signed the tokens of any session
        print_line(
            f"{await container.identity().end_sessions_of_all_users()} sessions ended: all users must log in again"
        )
    return 0


@asynccontextmanager
async def _key_store(settings: Settings) -> AsyncIterator[Container]:
    """Open the database without locking the data folder, which a running server may hold."""
    require_stored_data(settings, "keys")
    container = build(settings)
    database = container.database()
    await database.open()
    try:
        await check_schema(database)
        try:  # a key that is sealed with another master key would be of no use to the servers
            await load_keys(
                SigningKeys(), container.identity_stores().keys, container.secrets(), container.now()()
            )
        except ValueError:
            raise BadSettings(OTHER_KEY) from None
        yield container
        await flushed(container.identity().security, everything=True)
    finally:
        await database.close()


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="list | rotate | revoke", dest="action")
    actions.add_parser("list", help="show the keys and their states")
    rotate = actions.add_parser("rotate", help="let the next key sign, and publish another one")
    rotate.add_argument(
        "--published",
        type=int,
        choices=range(5, 86_401),
        metavar="SECONDS",
        default=600,
        help="the time for which the next key must have been published, 5 to 86400 (default: %(default)s, twice the time "
        "for which others may cache the list of keys; Waggle itself needs 5)",
    )
    revoke = actions.add_parser(
        "revoke", help="forget a leaked key at once: its tokens are refused, and all sessions end"
    )
    revoke.add_argument("kid", help="the id of the key, as `waggle keys list` shows it")


KEYS = Command(
    "keys",
    "List, rotate or revoke the keys that sign access tokens, while servers are running. Revoking a key that has signed "
    "ends all sessions.",
    manage_keys,
    _add_arguments,
)
