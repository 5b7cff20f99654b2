"""The data folder of the embedded shape belongs to one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from entrypoints.container import Container
from entrypoints.settings import BadSettings, Settings


class InUse(BadSettings):
    """Another process holds the data folder."""


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Hold the data folder: a second process on the same SQLite file would spoil its promises. The folder itself is
    locked, since a file in it could be deleted while it is held. Raises InUse."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"another process uses this data folder ({folder})") from None
        except OSError as error:
            raise BadSettings(f"{folder} cannot be locked: {error.strerror}") from None
        yield
    finally:
        os.close(held)


def must_exist(settings: Settings) -> None:
    """Opening an embedded database that is not there would make an empty one. Raises BadSettings."""
    if settings.shape == "embedded" and not Path(str(make_url(settings.database).database)).exists():
        raise BadSettings("there is no database yet: start the server first")


def data_folder(container: Container) -> Path:
    """Where the embedded shape has its database."""
    return Path(str(container.database().url.database)).parent
