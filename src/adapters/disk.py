"""The disk of the data folder. While it is full, writes are refused and reads still work.

A reserve file keeps some space. A server that starts while the disk is full deletes it, because SQLite needs a little space
to open its files and the start writes a few rows. The file is created again when there is enough space.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adapters.log_events import DiskFree, DiskFull, DiskFullAtStart, ReserveNotCreated
from application.shared.errors import StorageFull
from application.shared.log import log
from domain.shared import Unavailable

RESERVE = 4 * 1024 * 1024
"""The size of the reserve file in bytes. The write-ahead log of SQLite grows to about this size before it is reset."""
MARGIN = 1024 * 1024
"""Bytes that must be free for a write."""


def free_bytes(folder: Path) -> int:
    """Return the number of bytes that this process can still write there."""
    found = os.statvfs(folder)
    return (found.f_bfree if os.geteuid() == 0 else found.f_bavail) * found.f_frsize


@dataclass(slots=True)
class Disk:
    """Without a data folder (`folder` is None), the disk is never full."""

    folder: Path | None
    free: Callable[[Path], int] = free_bytes
    _is_open: bool = False
    _has_reserve: bool = False
    _was_full: bool = False

    def prepare(self) -> None:
        """Make space to open the files of the folder. Called before any of them is opened."""
        if self.folder is None:
            return
        self._has_reserve = self._file.exists()
        if self.free(self.folder) >= MARGIN:
            self._reserve()
        elif self._has_reserve:
            log(DiskFullAtStart())
            self._file.unlink()
            self._has_reserve = False

    def opened(self) -> None:
        """Enable `check`. Called after the writes of the start."""
        self._is_open = True

    def check(self) -> None:
        """Raises StorageFull if nothing can be written now. Called before each transaction; it costs one system call."""
        if self.folder is None or not self._is_open:
            return
        if self.free(self.folder) < MARGIN + (0 if self._has_reserve else RESERVE + MARGIN):
            self._log(full=True)
            raise StorageFull("the disk of the server is full: nothing can be written until there is space")
        if not self._has_reserve:
            self._reserve()
        self._log(full=False)

    async def ready(self) -> None:
        """Raises StorageFull."""
        self.check()

    def unless_full(self, check: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Return a check that does not fail while the disk is full, because that is reported separately."""

        async def tolerant() -> None:
            try:
                await check()
            except Unavailable:
                with suppress(StorageFull):
                    self.check()
                    raise

        return tolerant

    @property
    def _file(self) -> Path:
        return Path(self.folder or ".") / "reserve"

    def _reserve(self) -> None:
        """Create the reserve file if there is enough space."""
        if self._has_reserve or self.folder is None or self.free(self.folder) < RESERVE + 2 * MARGIN:
            return
        try:
            with self._file.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE)
        except OSError as error:  # another process used the space first
            log(ReserveNotCreated(reason=error.strerror or ""))
            self._file.unlink(missing_ok=True)
        else:
            self._has_reserve = True

    def _log(self, *, full: bool) -> None:
        """Log one line when the disk becomes full, and one when it has space again."""
        if full != self._was_full:
            self._was_full = full
            log(DiskFull() if full else DiskFree())
