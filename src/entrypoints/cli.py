"""The command line: `waggle serve | migrate | settings | openapi | keys | events | media |
repair | streams | users`."""

import argparse
import dataclasses
import json
import logging
import math
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import uvloop

from adapters.security.sealing import Secrets
from adapters.security.tokens import SigningKeys, load_keys
from adapters.sql.database import Database
from adapters.sql.errors import DatabaseRefused
from adapters.sql.migrate import HEAD, check_schema, migrate
from application.identity.security import flushed
from application.media.removing import ORPHAN_AGE
from domain.shared import Unavailable
from entrypoints import logs
from entrypoints.configuration import build
from entrypoints.container import Container
from entrypoints.data_folder import master_key
from entrypoints.events import describe_events, events
from entrypoints.http.app import VERSION, describe
from entrypoints.lock import must_exist
from entrypoints.repair import repair
from entrypoints.runtime import OTHER_KEY, open_database
from entrypoints.server import serve
from entrypoints.settings import EX_CONFIG, EX_UNAVAILABLE, BadSettings, Settings, environment_name
from entrypoints.users import users

log = logging.getLogger(__name__)

EX_USAGE, EX_TEMPFAIL = 64, 75
"""Exit statuses (sysexits.h): named what is not there, and asked too early."""

Command = Callable[[Settings, argparse.Namespace], Awaitable[int]]


async def apply_migrations(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Bring the database to the schema of this version."""
    if settings.shape == "memory":
        raise BadSettings("there is nothing to migrate in memory")
    build(settings)  # refuses what cannot be used
    database = Database.at(settings.database, command_timeout=None)
    try:
        changed = await migrate(database, Secrets(master_key(settings)))
    except ValueError:
        raise BadSettings(OTHER_KEY) from None
    finally:
        await database.close()
    _say(f"the database is {'now' if changed else 'already'} at schema {HEAD}")
    return 0


async def show_settings(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Print every setting, what it means, and what is in force."""
    for setting in dataclasses.fields(settings):
        value = getattr(settings, setting.name)
        if value and setting.name in {"secret_key", "database_url", "redis_url", "media_url", "mail_url"}:
            value = "(set)"
        _say(
            f"{environment_name(setting)}={value}\n    {setting.metadata['about']}; default: {setting.default or 'empty'}"
        )
    return 0


async def print_openapi(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Print the OpenAPI document."""
    memory = dataclasses.replace(settings, database_url="memory:", public_url="http://127.0.0.1:8000")
    _say(json.dumps(describe(build(memory), memory), indent=2, ensure_ascii=False))
    return 0


async def keys(settings: Settings, arguments: argparse.Namespace) -> int:
    """List, rotate or revoke the keys that sign access tokens, while the servers run. To revoke a key that has signed
    ends all sessions."""
    async with _key_store(settings) as container:
        if arguments.act == "rotate":
            done = await container.rotate_keys()(timedelta(seconds=arguments.published))
            if done.activated is None:
                seconds = math.ceil(done.wait.total_seconds())
                _say(f"nothing rotated: the next key signs when it is published for {seconds} seconds more")
                return EX_TEMPFAIL
            _say(f"{done.activated} signs from now on, {done.made} is next")
        elif arguments.act == "revoke":
            revoked = await container.revoke_key()(arguments.kid)
            if revoked is None:
                sys.stderr.write(f"waggle: there is no key {arguments.kid}\n")
                return EX_USAGE
            _say(f"{arguments.kid} is gone: within five seconds its tokens are refused")
            if revoked.state != "next":  # it has signed tokens of any session
                _say(
                    f"{await container.identity.end_all_sessions()()} sessions ended: everybody logs in again"
                )
        for key in await container.list_keys()():
            _say(f"{key.kid}\t{key.state}\tmade {key.made_at:%Y-%m-%d %H:%M:%S}Z")
    return 0


async def streams(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Give every stream a new epoch, once a backup was restored: clients then read their notifications anew, and none
    goes on from a number that means something else now. The servers may run."""
    if settings.shape == "memory":
        raise BadSettings("there are no streams of another process in memory")
    if settings.shape == "embedded":
        must_exist(settings)
    container = build(settings)
    async with open_database(container, settings, alone=False):
        _say(f"{await container.notifications.renew_streams()()} streams have a new epoch")
    return 0


async def media(settings: Settings, arguments: argparse.Namespace) -> int:
    """Remove uploads that were not finished or that no post has, and compare what is stored with what is known: what
    belongs to nothing is deleted, and media that lack a file are marked as lost. The servers may run."""
    if settings.shape == "memory":
        raise BadSettings("there are no media of another process in memory")
    if settings.shape == "embedded":
        must_exist(settings)
    container, age = build(settings), timedelta(hours=arguments.older_than)
    async with open_database(container, settings, alone=False):
        swept = 0 if arguments.dry_run else await container.media.sweep_media()(age)
        found = await container.media.reconcile_media()(
            dry_run=arguments.dry_run, older_than=min(age, ORPHAN_AGE)
        )
    _say(f"{swept} unfinished or deleted media removed")
    _say(f"{found.rows} media, of which {found.processing} are processed; {found.objects} files")
    _say(f"{found.without_row} files belong to nothing" + (": deleted" if not arguments.dry_run else ""))
    _say(f"{found.without_object} media lack a file" + (": marked as lost" if not arguments.dry_run else ""))
    return int(arguments.dry_run and bool(found.without_row or found.without_object))


@asynccontextmanager
async def _key_store(settings: Settings) -> AsyncIterator[Container]:
    """The database, without being a server: the one that runs may hold the data folder."""
    if settings.shape == "memory":
        raise BadSettings("the keys in memory are those of one process, and go with it")
    if settings.shape == "embedded":
        must_exist(settings)
    container = build(settings)
    database = container.database()
    await database.open()
    try:
        await check_schema(database)
        try:  # a key that is sealed with another master key would be of no use to the servers
            await load_keys(SigningKeys(), container.key_store(), container.secrets(), container.now()())
        except ValueError:
            raise BadSettings(OTHER_KEY) from None
        yield container
        await flushed(container.security(), everything=True)
    finally:
        await database.close()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


COMMANDS: dict[str, Command] = {
    "serve": serve,
    "migrate": apply_migrations,
    "settings": show_settings,
    "openapi": print_openapi,
    "keys": keys,
    "events": events,
    "media": media,
    "repair": repair,
    "streams": streams,
    "users": users,
}


def _describe_keys(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(required=True, metavar="list | rotate | revoke", dest="act")
    acts.add_parser("list", help="show the keys and their states")
    rotate = acts.add_parser("rotate", help="let the next key sign, and publish another one")
    rotate.add_argument(
        "--published",
        type=int,
        choices=range(5, 86_401),
        metavar="SECONDS",
        default=600,
        help="how long the next key must have been published, 5 to 86400; default: %(default)s, twice what "
        "others may keep the list of keys. Waggle itself needs 5",
    )
    revoke = acts.add_parser(
        "revoke", help="forget a key at once because it leaked: its tokens are refused, and all sessions end"
    )
    revoke.add_argument("kid", help="as `waggle keys list` shows it")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="waggle", description="A self-hosted social backend.")
    parser.add_argument("--version", action="version", version=f"waggle {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        sub.set_defaults(command=command)
        if name == "events":
            describe_events(sub)
        if name == "keys":
            _describe_keys(sub)
        if name == "repair":
            sub.add_argument("what", choices=["counters"])
            sub.add_argument(
                "--dry-run", action="store_true", help="tell only, and end with 1 if there is a drift"
            )
        if name == "media":
            sub.add_argument("action", choices=["sweep"])
            sub.add_argument(
                "--dry-run", action="store_true", help="tell only, and end with 1 if something is wrong"
            )
            sub.add_argument(
                "--older-than",
                type=float,
                default=24.0,
                metavar="HOURS",
                help="of what no post has (24); less than an hour also of files that belong to nothing",
            )
        if name == "streams":
            sub.add_argument("action", choices=["renew"])
        if name == "users":
            sub.add_argument("action", choices=["delete", "logout"])
            sub.add_argument("username")
    chosen = parser.parse_args(arguments)
    os.umask(0o077)  # data and keys are their owner's alone
    try:
        settings = Settings.read()
        logs.configure(readable=settings.env == "development" and sys.stderr.isatty())
        status: int = uvloop.run(chosen.command(settings, chosen))
    except (BadSettings, DatabaseRefused) as error:
        sys.stderr.write(f"waggle: {error}\n")
        return EX_CONFIG
    except Unavailable as error:
        sys.stderr.write(f"waggle: {error}\n")
        return EX_UNAVAILABLE
    except BrokenPipeError:  # whoever reads had enough, as in `waggle settings | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
