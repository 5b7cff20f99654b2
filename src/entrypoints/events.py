"""`waggle events`: what could not be delivered to a subscriber, and another try for it."""

import argparse
import sys

from application.shared.deliveries import EVERYBODY
from entrypoints.configuration import build
from entrypoints.lock import must_exist
from entrypoints.runtime import open_database
from entrypoints.settings import BadSettings, Settings

MOST = 1000
"""Dead letters in one list."""


async def events(settings: Settings, arguments: argparse.Namespace) -> int:
    """List the dead letters, which are events that a subscriber failed to handle too often, or deliver them again to
    those subscribers. The servers may run."""
    if settings.shape == "memory":
        raise BadSettings("there are no dead letters of another process in memory")
    if settings.shape == "embedded":
        must_exist(settings)
    container = build(settings)
    async with open_database(container, settings, alone=False):
        queue = container.outbox_queue()
        if arguments.act == "replay":
            replayed = await queue.replay(arguments.ids or None, arguments.subscriber)
            _say(f"{replayed} dead letters are delivered again")
            return 0
        for letter, error in await queue.dead(MOST, arguments.subscriber):
            whose = letter.subscriber if letter.subscriber != EVERYBODY else "(all)"
            _say(f"{letter.seq}\t{whose}\t{letter.kind}\t{letter.aggregate}\t{error}")
        for subscriber, counts in sorted((await queue.counts()).items()):
            if counts.dead and arguments.subscriber in {None, subscriber}:
                _say(f"{counts.dead} dead letters of {subscriber or '(all)'}")
    return 0


def describe_events(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(required=True, metavar="dead | replay", dest="act")
    dead = acts.add_parser(
        "dead", help=f"list the oldest {MOST} dead letters: id, subscriber, kind, about, error"
    )
    replay = acts.add_parser("replay", help="deliver dead letters again, each to its subscriber alone")
    for act in (dead, replay):
        act.add_argument(
            "--subscriber", metavar="NAME", help="those of this subscriber only, as docs/events.md names it"
        )
    replay.add_argument(
        "ids", nargs="*", type=int, metavar="ID", help="these only, as `waggle events dead` shows them"
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
