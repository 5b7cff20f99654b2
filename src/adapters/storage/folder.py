"""Objects as files of a folder, for the embedded shape.

What is put is written aside, on the same file system, and gets its name when it is whole and on the disk: whoever
reads or lists meanwhile sees the object of before, or all of the new one; so does whoever starts after a crash.
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
"""Nothing takes so long to be put."""
_OBJECTS, _ASIDE = "objects", "incoming"
_MARKER = "made"
"""An empty file that says since when the folder is there."""


@dataclass(frozen=True, slots=True)
class FolderStorage:
    """`root` is made when something is put; it may be a link. Below it none is followed: what lies behind one is not
    there."""

    root: Path
    uploads: TicketSigner

    async def put(self, key: str, source: Path, content_type: str) -> None:
        del content_type  # the row knows it
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
        await _in_thread(self._aside)

    async def made_at(self) -> datetime | None:
        def work() -> datetime | None:
            with suppress(FileNotFoundError):
                return datetime.fromtimestamp((self.root / _MARKER).stat().st_mtime, UTC)
            return None

        return await _in_thread(work)

    # --- In a thread --------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        return self.root / _OBJECTS / checked(key)

    def _file(self, path: Path) -> Path:
        """Raises FileNotFoundError if it is no file, or a link leads away from it."""
        if not path.is_file():
            raise FileNotFoundError(path)
        self._refuse_links(path)
        return path

    def _refuse_links(self, path: Path) -> None:
        if path.resolve() != self.root.resolve() / path.relative_to(self.root):
            raise FileNotFoundError(errno.ENOENT, "there is a link in it", str(path))

    def _put(self, path: Path, source: Path) -> None:
        self._refuse_links(path.parent)
        aside = self._aside()
        _clear(aside)
        with tempfile.TemporaryDirectory(dir=aside) as mine:
            whole = Path(mine) / "object"
            try:
                source.rename(whole)  # costs nothing
            except OSError:  # it is on another file system
                shutil.copyfile(source, whole)
            with whole.open("rb") as file:
                os.fsync(file.fileno())
            for _ in range(3):
                try:
                    _make_folder(path.parent)
                    whole.rename(path)
                except FileNotFoundError:  # a deletion took the empty folder away between the two
                    continue
                break
            else:
                whole.rename(path)
        _sync(path.parent)

    def _aside(self) -> Path:
        aside = self.root / _ASIDE
        aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            (self.root / _MARKER).touch(mode=0o600, exist_ok=False)
        return aside

    def _delete(self, paths: Sequence[Path]) -> None:
        touched = set()
        for path in paths:
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                self._refuse_links(path.parent)
                path.unlink()
                touched.add(path.parent)
        for folder in touched:
            _sync(folder)
            with suppress(OSError):  # there is something in it
                for empty in (folder, *folder.parents):
                    if empty == self.root / _OBJECTS:
                        break
                    empty.rmdir()

    def _walk(self, prefix: str, after: str) -> Iterator[StoredObject]:
        """In the order of keys, reading no more folders than needed."""
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
    # A folder sorts as what is in it: with the slash that follows its name.
    names = sorted((entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries)
    for name, entry in names:
        key = named + name
        if name.endswith("/"):
            may_begin = key.startswith(prefix) or prefix.startswith(key)
            if may_begin and (key > after or after.startswith(key)):
                yield from _below(folder / entry.name, key, prefix, after)
        elif key.startswith(prefix) and key > after:
            with suppress(FileNotFoundError):  # deleted meanwhile
                found = entry.stat(follow_symlinks=False)
                yield StoredObject(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync(folder.parent)
        _sync(folder.parent.parent)


def _sync(folder: Path) -> None:
    """The names in a folder, too, are on the disk only when it was said."""
    with suppress(FileNotFoundError):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _clear(aside: Path) -> None:
    """Remove what processes that were killed left there. It is old: another process may be putting just now."""
    for entry in os.scandir(aside):
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
    """Raises NoSuchObject for what is not there, and Unavailable for whatever else the disk says."""
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
