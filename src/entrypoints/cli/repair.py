"""`waggle repair`."""

import argparse
from pathlib import Path

from entrypoints.cli.command import EX_FOUND, Command, print_line
from entrypoints.container import Container, build
from entrypoints.runtime import open_database
from entrypoints.settings import BadSettings, Settings


async def repair_counters(settings: Settings, arguments: argparse.Namespace) -> int:
    if settings.shape == "memory":
        raise BadSettings("the database is in memory: there is nothing to repair in another process")
    if settings.shape == "embedded":
        _check_exists(Path(settings.database.removeprefix("sqlite:///")))
    container = build(settings)
    async with open_database(container, settings):
        drift = await _counters(container, repair=not arguments.dry_run)
    for counter, by in drift.items():
        print_line(f"{counter:<18} {by} drift")
    total = sum(drift.values())
    done = "" if not total else ", nothing changed" if arguments.dry_run else ", repaired"
    print_line(f"{total} drift{done}")
    return EX_FOUND if total and arguments.dry_run else 0


def _check_exists(file: Path) -> None:
    if not file.exists():  # opening it would create an empty one
        raise BadSettings(f"there is no database at {file}")


async def _counters(container: Container, *, repair: bool) -> dict[str, int]:
    """The drift of each counter, summed over all rows."""
    posts = await container.posts().repair_posts(repair=repair)
    accounts = await container.identity().repair_accounts(repair=repair)
    follow_counts = await container.graph().repair_follow_counts(repair=repair)
    return {
        **{f"posts.{counter}": by for counter, by in posts.items()},
        "accounts.posts": accounts,
        **{f"accounts.{counter}": by for counter, by in follow_counts.items()},
    }


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    targets = parser.add_subparsers(required=True, metavar="counters", dest="target")
    counters = targets.add_parser("counters", help="compare the counters with the rows that they count")
    counters.add_argument(
        "--dry-run", action="store_true", help="only report; the exit status is 1 if a counter differs"
    )


REPAIR = Command(
    "repair",
    "Recount the counters that are normally updated incrementally, and repair those that differ (`counters`). With "
    "PostgreSQL servers may be running. In the embedded shape stop the server first, because it locks the data folder.",
    repair_counters,
    _add_arguments,
)
