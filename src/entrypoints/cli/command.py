"""The parts that all commands share."""

import argparse
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from entrypoints.lock import must_exist
from entrypoints.settings import BadSettings, Settings

EX_USAGE, EX_NO_USER, EX_TEMPFAIL = 64, 67, 75
"""Exit statuses (sysexits.h): an argument names nothing, the user does not exist, the command came too early."""
EX_FOUND = 1
"""The exit status of a dry run that has found something to repair."""


def no_arguments(_parser: argparse.ArgumentParser) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Command:
    """A command of `waggle`."""

    name: str
    help: str
    run: Callable[[Settings, argparse.Namespace], Awaitable[int]]
    """Returns the exit status. Raises BadSettings, DatabaseRefused or Unavailable."""
    add_arguments: Callable[[argparse.ArgumentParser], None] = no_arguments


def print_line(text: str) -> None:
    sys.stdout.write(text + "\n")


def print_error(text: str) -> None:
    sys.stderr.write(f"waggle: {text}\n")


def require_stored_data(settings: Settings, name: str) -> None:
    """Check that there is a database that this process can reach; `name` is what the command needs in it.

    Raises BadSettings.
    """
    if settings.shape == "memory":
        raise BadSettings(f"the database is in memory: no other process can reach its {name}")
    must_exist(settings)
