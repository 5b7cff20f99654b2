"""`waggle streams`."""

import argparse

from entrypoints.cli.command import Command, print_line, require_stored_data
from entrypoints.container import build
from entrypoints.runtime import open_database
from entrypoints.settings import Settings


async def renew_streams(settings: Settings, _arguments: argparse.Namespace) -> int:
    require_stored_data(settings, "streams")
    container = build(settings)
    async with open_database(container, settings, alone=False):
        print_line(f"{await container.notifications().renew_streams()} streams have a new epoch")
    return 0


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="renew", dest="action")
    actions.add_parser("renew", help="give every stream a new epoch")


STREAMS = Command(
    "streams",
    "Give every notification stream a new epoch (`renew`). Do this once after you have restored a backup: clients then "
    "read their notifications again, instead of continuing from numbers that now mean something else. Servers may be "
    "running.",
    renew_streams,
    _add_arguments,
)
