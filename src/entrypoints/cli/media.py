"""`waggle media`."""

import argparse
from datetime import timedelta

from application.media.removing import ORPHAN_AGE
from entrypoints.cli.command import EX_FOUND, Command, print_line, require_stored_data
from entrypoints.container import build
from entrypoints.runtime import open_database
from entrypoints.settings import Settings


async def sweep_media(settings: Settings, arguments: argparse.Namespace) -> int:
    require_stored_data(settings, "media")
    container, age = build(settings), timedelta(hours=arguments.older_than)
    dry_run: bool = arguments.dry_run
    async with open_database(container, settings, alone=False):
        removed = 0 if dry_run else await container.media().purge_expired_media(age)
        found = await container.media().reconcile_media(dry_run=dry_run, older_than=min(age, ORPHAN_AGE))
    print_line(f"{removed} unfinished, unattached or deleted media removed")
    print_line(f"{found.rows} media, {found.processing} of them in processing; {found.objects} files")
    print_line(f"{found.without_row} files belong to no media" + ("" if dry_run else ": deleted"))
    print_line(f"{found.without_object} media lack a file" + ("" if dry_run else ": marked as lost"))
    return EX_FOUND if dry_run and (found.without_row or found.without_object) else 0


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="sweep", dest="action")
    sweep = actions.add_parser("sweep", help="remove leftovers, and compare media with files")
    sweep.add_argument(
        "--dry-run", action="store_true", help="only report; the exit status is 1 if something is wrong"
    )
    sweep.add_argument(
        "--older-than",
        type=float,
        default=24.0,
        metavar="HOURS",
        help="remove media that was not attached to a post for this long (default: 24). Less than an hour also applies "
        "to files that belong to no media",
    )


MEDIA = Command(
    "media",
    "Remove unfinished uploads and media that no post uses, and compare media with the stored files (`sweep`): files "
    "that belong to no media are deleted, and media without a file is marked as lost. Servers may be running.",
    sweep_media,
    _add_arguments,
)
