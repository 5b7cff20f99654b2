"""Objects as files in a folder, for the shape `embedded`.

A new object is written to a separate folder on the same file system, synced to the disk, and then renamed. A concurrent
reader, and a process that starts after a crash, see either the old object or the whole new one.
"""

import asyncio
import errno
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import TypeVar

from adapters.storage.keys import checked, is_key
from adapters.storage.signing import TicketSigner
from application.media.ports import NoSuchObject, StoredObject, UploadTicket
from application.shared.errors import StorageFull, full_disk
from domain.shared import Unavailable

T = TypeVar("T")
PIECE = 256 * 1024
LEFT_SECONDS = 6 * 3600
"""Older files in the folder for incoming objects are leftovers: no upload takes so long."""
_OBJECTS, _INCOMING = "objects", "incoming"
_MARKER = "made"
"""An empty file whose time is when the storage was created."""


@dataclass(frozen=True, slots=True)
class FolderStorage:
    """`root` is created by the first upload, and may be a symbolic link. Links below it are not followed: objects behind them
    do not exist."""

    root: Path
    uploads: TicketSigner

    async def put(self, key: str, source: Path, content_type: str) -> None:
        del content_type  # the row has it
        await _in_thread(lambda: self._put(self._path(key), source))

    async def fetch(self, key: str, target: Path) -> None:
        path = self._path(key)
        await _in_thread(lambda: shutil.copyfile(self._file(path), target), key)

    @asynccontextmanager
    async def read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        path = self._path(key)
        file = await _in_thread(lambda: self._file(path).open("rb", buffering=0), key)
        try:
            if start:
                file.seek(start)
            yield _pieces(file, length)
        finally:
            file.close()

    async def stat(self, key: str) -> StoredObject | None:
        path = self._path(key)
        try:
            found = await _in_thread(lambda: self._file(path).stat(), key)
        except NoSuchObject:
            return None
        return StoredObject(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    async def delete(self, keys: Collection[str]) -> None:
        paths = [self._path(key) for key in keys]
        await _in_thread(lambda: self._delete(paths))

    async def list(self, prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        def work() -> Sequence[StoredObject]:
            return [*islice((one for one in self._walk(prefix, after) if is_key(one.key)), limit)]

        return await _in_thread(work)

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        return self.uploads.ticket(checked(key), size, content_type, until)

    async def check(self) -> None:
        await _in_thread(self._incoming)

    async def created_at(self) -> datetime | None:
        def work() -> datetime | None:
            with suppress(FileNotFoundError):
                return datetime.fromtimestamp((self.root / _MARKER).stat().st_mtime, UTC)
            return None

        return await _in_thread(work)

    # --- In a thread --------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        return self.root / _OBJECTS / checked(key)

    def _file(self, path: Path) -> Path:
        """Return the path. Raises FileNotFoundError if it is not a file, or contains a symbolic link."""
        if not path.is_file():
            raise FileNotFoundError(path)
        self._refuse_links(path)
        return path

    def _refuse_links(self, path: Path) -> None:
        if path.resolve() != self.root.resolve() / path.relative_to(self.root):
            raise FileNotFoundError(errno.ENOENT, "the path contains a symbolic link", str(path))

    def _put(self, path: Path, source: Path) -> None:
        self._refuse_links(path.parent)
        incoming = self._incoming()
        _remove_leftovers(incoming)
        with tempfile.TemporaryDirectory(dir=incoming) as mine:
            whole = Path(mine) / "object"
            try:
                source.rename(whole)  # without copying
            except OSError:  # the source is on another file system
                shutil.copyfile(source, whole)
            with whole.open("rb") as file:
                os.fsync(file.fileno())
            for _ in range(3):
                try:
                    _make_folder(path.parent)
                    whole.rename(path)
                except FileNotFoundError:  # a deletion removed the empty folder in between
                    continue
                break
            else:
                whole.rename(path)
        _sync(path.parent)

    def _incoming(self) -> Path:
        incoming = self.root / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            (self.root / _MARKER).touch(mode=0o600, exist_ok=False)
        return incoming

    def _delete(self, paths: Sequence[Path]) -> None:
        touched = set()
        for path in paths:
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                self._refuse_links(path.parent)
                path.unlink()
                touched.add(path.parent)
        for folder in touched:
            _sync(folder)
            with suppress(OSError):  # the folder is not empty
                for empty in (folder, *folder.parents):
                    if empty == self.root / _OBJECTS:
                        break
                    empty.rmdir()

    def _walk(self, prefix: str, after: str) -> Iterator[StoredObject]:
        """Yield the objects in the order of their keys, reading only the folders that are needed."""
        top = self.root / _OBJECTS
        folder, _, _ = prefix.rpartition("/")
        if folder and not is_key(folder):
            return
        yield from _below(top / folder if folder else top, f"{folder}/" if folder else "", prefix, after)


def _below(folder: Path, named: str, prefix: str, after: str) -> Iterator[StoredObject]:
    try:
        entries = [*os.scandir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return
    # A folder is sorted with the slash after its name, like the keys in it.
    names = sorted((entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries)
    for name, entry in names:
        key = named + name
        if name.endswith("/"):
            may_begin = key.startswith(prefix) or prefix.startswith(key)
            if may_begin and (key > after or after.startswith(key)):
                yield from _below(folder / entry.name, key, prefix, after)
        elif key.startswith(prefix) and key > after:
            with suppress(FileNotFoundError):  # it was deleted in the meantime
                found = entry.stat(follow_symlinks=False)
                yield StoredObject(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync(folder.parent)
        _sync(folder.parent.parent)


def _sync(folder: Path) -> None:
    """Sync a folder: the names in it are durable only after that."""
    with suppress(FileNotFoundError):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _remove_leftovers(incoming: Path) -> None:
    """Remove the leftovers of killed processes. Only old ones, because another process may be writing now."""
    for entry in os.scandir(incoming):
        with suppress(FileNotFoundError):
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > LEFT_SECONDS:
                shutil.rmtree(entry.path, ignore_errors=True)


async def _pieces(file: FileIO, length: int | None) -> AsyncIterator[bytes]:
    left = length
    while left is None or left > 0:
        piece = await asyncio.to_thread(file.read, PIECE if left is None else min(PIECE, left))
        if not piece:
            return
        if left is not None:
            left -= len(piece)
        yield piece


async def _in_thread(work: Callable[[], T], key: str = "") -> T:
    """Run `work` in a thread. Raises NoSuchObject for a missing file, and Unavailable for other errors of the disk."""
    try:
        return await asyncio.to_thread(work)
    except (FileNotFoundError, NotADirectoryError) as error:
        if key:
            raise NoSuchObject(key) from error
        raise Unavailable(f"the media folder cannot be used: {error.strerror}") from error
    except OSError as error:
        if full_disk(error):
            raise StorageFull("the disk of the media folder is full") from error
        raise Unavailable(f"the media folder cannot be used: {error.strerror}") from error
