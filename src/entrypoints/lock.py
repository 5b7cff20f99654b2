"""Only one process at a time may use a data folder with an SQLite database."""

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
    """Lock the data folder: a second process on the same SQLite file would break what Waggle promises. The folder itself
    is locked, since a lock file in it could be deleted meanwhile. Raises InUse."""
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
    """Raise BadSettings if the SQLite database does not exist: opening it would create an empty one."""
    if settings.shape == "embedded" and not Path(str(make_url(settings.database).database)).exists():
        raise BadSettings("there is no database yet: start the server first")


def data_folder(container: Container) -> Path:
    """The folder of the SQLite database."""
    address = container.database().address
    if not isinstance(address, Path):
        raise BadSettings("the database is not a file")
    return address.parent
