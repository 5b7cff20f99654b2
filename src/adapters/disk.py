"""The disk of the data folder, which may run full: then nothing is written and everything can still be read.

A reserve file holds some space back. A server that is started while the disk is full gives it free, because SQLite
needs a little room to open its files and the start writes a few rows; it is made again when there is room for it.
"""

import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from application.shared.errors import StorageFull
from domain.shared import Unavailable

RESERVE = 4 * 1024 * 1024
"""Bytes of the reserve file. The log of SQLite grows to about as much before it starts again."""
MARGIN = 1024 * 1024
"""Bytes that must be free for anything to be written."""

log = logging.getLogger(__name__)


def free_bytes(folder: Path) -> int:
    """What this process may still write there."""
    found = os.statvfs(folder)
    return (found.f_bfree if os.geteuid() == 0 else found.f_bavail) * found.f_frsize


@dataclass(slots=True)
class Disk:
    """Where there is no data folder (`folder` is None), it is never full."""

    folder: Path | None
    free: Callable[[Path], int] = free_bytes
    _is_open: bool = False
    _has_reserve: bool = False
    _was_full: bool = False

    def prepare(self) -> None:
        """Before anything of the folder is opened: see that there is room to open it."""
        if self.folder is None:
            return
        self._has_reserve = self._file.exists()
        if self.free(self.folder) >= MARGIN:
            self._reserve()
        elif self._has_reserve:
            log.warning("the disk of the data folder is full: starting for reads only, until there is room")
            self._file.unlink()
            self._has_reserve = False

    def opened(self) -> None:
        """From now on `check` decides: what the start has to write is written."""
        self._is_open = True

    def check(self) -> None:
        """Raises StorageFull if nothing can be written now. Asked before each transaction: it costs a system call."""
        if self.folder is None or not self._is_open:
            return
        if self.free(self.folder) < MARGIN + (0 if self._has_reserve else RESERVE + MARGIN):
            self._tell(full=True)
            raise StorageFull("the disk of the server is full: nothing can be written until there is room")
        if not self._has_reserve:
            self._reserve()
        self._tell(full=False)

    async def ready(self) -> None:
        """Raises StorageFull."""
        self.check()

    def unless_full(self, check: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """A check that may fail while the disk is full, which is told by itself."""

        async def softened() -> None:
            try:
                await check()
            except Unavailable:
                with suppress(StorageFull):
                    self.check()
                    raise

        return softened

    @property
    def _file(self) -> Path:
        return Path(self.folder or ".") / "reserve"

    def _reserve(self) -> None:
        """Take the space, if there is enough of it."""
        if self._has_reserve or self.folder is None or self.free(self.folder) < RESERVE + 2 * MARGIN:
            return
        try:
            with self._file.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE)
        except OSError as error:  # somebody else was faster
            log.warning("no reserve can be kept in the data folder: %s", error.strerror)
            self._file.unlink(missing_ok=True)
        else:
            self._has_reserve = True

    def _tell(self, *, full: bool) -> None:
        """One line when it is full, one when it is not any more."""
        if full != self._was_full:
            self._was_full = full
            if full:
                log.warning("the disk of the data folder is full: reads go on, writes are refused")
            else:
                log.info("the disk of the data folder has room again")
