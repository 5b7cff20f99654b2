"""Temporary folders for uploads and processing, on a local disk."""

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from application.shared.errors import StorageFull, full_disk
from domain.shared import Unavailable

_LOCK = "lock"


@dataclass(slots=True)
class TemporaryFolders:
    """Implements `application.media.ports.OpenFolder`. Each process has its own folder below `root` and holds a lock in it: a
    folder without a held lock was left behind by a killed process."""

    root: Path
    _own: Path | None = None
    _lock: IO[bytes] | None = field(default=None, repr=False)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Path]:
        try:
            folder = await asyncio.to_thread(self._make)
        except OSError as error:
            if full_disk(error):
                raise StorageFull("the disk for temporary files is full") from error
            raise Unavailable(f"temporary files cannot be created: {error.strerror}") from error
        try:
            yield folder
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    def clean(self) -> None:
        """Remove the folders of dead processes. Called at the start."""
        for left in self.root.glob("p*"):
            with suppress(OSError):
                if not _held(left / _LOCK):
                    shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder of this process with its contents."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _make(self) -> Path:
        if self._own is None:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._own = Path(tempfile.mkdtemp(prefix="p", dir=self.root))
            self._lock = (self._own / _LOCK).open("wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return Path(tempfile.mkdtemp(dir=self._own))


def _held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
