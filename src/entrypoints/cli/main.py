"""Parses the command line and runs a command."""

import argparse
import os
import sys

import uvloop

from adapters.sql.errors import DatabaseRefused
from domain.shared import Unavailable
from entrypoints import logs
from entrypoints.cli.command import Command, print_error
from entrypoints.cli.events import EVENTS
from entrypoints.cli.keys import KEYS
from entrypoints.cli.media import MEDIA
from entrypoints.cli.migrate import MIGRATE
from entrypoints.cli.openapi import OPENAPI
from entrypoints.cli.repair import REPAIR
from entrypoints.cli.settings import SETTINGS
from entrypoints.cli.streams import STREAMS
from entrypoints.cli.users import USERS
from entrypoints.http.app import VERSION
from entrypoints.server import serve
from entrypoints.settings import EX_CONFIG, EX_UNAVAILABLE, BadSettings, Settings

SERVE = Command("serve", "Serve the API until SIGTERM or SIGINT.", serve)
COMMANDS = (SERVE, MIGRATE, SETTINGS, OPENAPI, USERS, KEYS, MEDIA, STREAMS, EVENTS, REPAIR)


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return its exit status."""
    chosen = _parser().parse_args(arguments)
    os.umask(0o077)  # only the owner may read data and keys
    try:
        settings = Settings.read()
        readable = settings.env == "development" and sys.stderr.isatty()
        logs.configure(readable=readable, version=VERSION, environment=settings.env)
        status: int = uvloop.run(chosen.command.run(settings, chosen))
    except (BadSettings, DatabaseRefused) as error:
        print_error(str(error))
        return EX_CONFIG
    except Unavailable as error:
        print_error(str(error))
        return EX_UNAVAILABLE
    except BrokenPipeError:  # the reader has stopped, as in `waggle settings | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="waggle", description="A self-hosted social backend.")
    parser.add_argument("--version", action="version", version=f"waggle {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        added = commands.add_parser(command.name, help=command.help, description=command.help)
        added.set_defaults(command=command)
        command.add_arguments(added)
    return parser
