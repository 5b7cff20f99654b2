"""`waggle repair counters`."""

import argparse
import sys
from pathlib import Path

from entrypoints.configuration import build
from entrypoints.container import Container
from entrypoints.runtime import open_database
from entrypoints.settings import BadSettings, Settings

DRIFTED = 1
"""The exit status when a dry run has found something to repair."""


async def repair(settings: Settings, arguments: argparse.Namespace) -> int:
    """Recount the counters that are normally updated incrementally, and repair those that differ. With PostgreSQL the
    servers may keep running; with SQLite the server must be stopped, since it locks the data folder."""
    if settings.shape == "memory":
        raise BadSettings("the database is in memory: there is nothing to repair in another process")
    if settings.shape == "embedded":
        _check_exists(Path(settings.database.removeprefix("sqlite:///")))
    container = build(settings)
    async with open_database(container, settings):
        drift = await _counters(container, repair=not arguments.dry_run)
    for counter, by in drift.items():
        sys.stdout.write(f"{counter:<18} {by} drift\n")
    total = sum(drift.values())
    done = "" if not total else ", nothing changed" if arguments.dry_run else ", repaired"
    sys.stdout.write(f"{total} drift{done}\n")
    return DRIFTED if total and arguments.dry_run else 0


def _check_exists(file: Path) -> None:
    if not file.exists():  # opening it would create an empty one
        raise BadSettings(f"there is no database at {file}")


async def _counters(container: Container, *, repair: bool) -> dict[str, int]:
    """The drift of each counter, summed over all rows."""
    posts = await container.posts.repair_posts()(repair=repair)
    accounts = await container.identity.repair_accounts()(repair=repair)
    follow_counts = await container.graph.repair_follow_counts()(repair=repair)
    return {
        **{f"posts.{counter}": by for counter, by in posts.items()},
        "accounts.posts": accounts,
        **{f"accounts.{counter}": by for counter, by in follow_counts.items()},
    }
