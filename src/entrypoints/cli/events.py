"""`waggle events`."""

import argparse

from application.shared.deliveries import NOT_DISTRIBUTED
from entrypoints.cli.command import Command, print_line, require_stored_data
from entrypoints.container import build
from entrypoints.runtime import open_database
from entrypoints.settings import Settings

MAX_LISTED = 1000
"""Dead letters in one list."""


async def manage_events(settings: Settings, arguments: argparse.Namespace) -> int:
    require_stored_data(settings, "events")
    container = build(settings)
    async with open_database(container, settings, alone=False):
        queue = container.outbox_queue()
        if arguments.action == "replay":
            replayed = await queue.replay(arguments.ids or None, arguments.subscriber)
            print_line(f"{replayed} dead letters are delivered again")
            return 0
        for letter, error in await queue.dead(MAX_LISTED, arguments.subscriber):
            subscriber = letter.subscriber if letter.subscriber != NOT_DISTRIBUTED else "(all)"
            print_line(f"{letter.seq}\t{subscriber}\t{letter.kind}\t{letter.aggregate}\t{error}")
        for subscriber, counts in sorted((await queue.counts()).items()):
            if counts.dead and arguments.subscriber in {None, subscriber}:
                print_line(f"{counts.dead} dead letters of {subscriber or '(all)'}")
    return 0


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="dead | replay", dest="action")
    dead = actions.add_parser(
        "dead", help=f"list the oldest {MAX_LISTED} dead letters: id, subscriber, kind, aggregate, error"
    )
    replay = actions.add_parser("replay", help="deliver dead letters again, each only to its subscriber")
    for action in (dead, replay):
        action.add_argument(
            "--subscriber", metavar="NAME", help="only those of this subscriber; docs/events.md has the names"
        )
    replay.add_argument(
        "ids", nargs="*", type=int, metavar="ID", help="only these, as `waggle events dead` shows them"
    )


EVENTS = Command(
    "events",
    "List the dead letters (`dead`), which are events that a subscriber could not process after all attempts, or deliver "
    "them again to that subscriber (`replay`). Servers may be running.",
    manage_events,
    _add_arguments,
)
