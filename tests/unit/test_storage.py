"""The contract of the media storages without a network, and the special cases of the folder."""

import asyncio
import errno
import os
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from adapters.clock import utc_now
from adapters.storage.folder import LEFT_SECONDS, FolderStorage
from adapters.storage.memory import MemoryStorage
from adapters.storage.signing import TicketSigner
from application.media.ports import NoSuchObject, Storage, TicketRefused, UploadTicket
from application.shared.errors import StorageFull
from domain.shared import Unavailable
from tests.port_contracts.storage import Send, StorageContract, Wait, got, put

ORIGIN = "https://waggle.example"


class Clock:
    """The real time and the seconds that a test skipped."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def __call__(self) -> float:
        return time.time() + self.skipped


CLOCK = Clock()
UPLOADS = TicketSigner(b"k" * 32, ORIGIN, CLOCK)


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Wait:
    async def wait(seconds: float) -> None:
        monkeypatch.setattr(CLOCK, "skipped", seconds)
        await asyncio.sleep(0)

    return wait


@pytest.fixture
def send(storage: Storage, tmp_path: Path) -> Send:
    """Verifies the ticket and stores the upload, like the HTTP handler."""

    async def send(ticket: UploadTicket, data: bytes) -> int:
        url = urlsplit(ticket.url)
        assert url.path.startswith("/media/uploads/")
        key = url.path.removeprefix("/media/uploads/")
        headers = {name.lower(): value for name, value in ticket.headers.items()}
        try:
            terms = UPLOADS.check(key, dict(parse_qsl(url.query)))
        except TicketRefused:
            return 403
        if (headers["content-length"], headers["content-type"]) != (str(terms.size), terms.content_type):
            return 403
        await put(storage, tmp_path, terms.key, data)
        return 204

    return send


class TestMemory(StorageContract):
    @pytest.fixture
    def wait(self, wait: Wait) -> Wait:
        return wait

    @pytest.fixture
    def storage(self) -> Storage:
        return MemoryStorage(UPLOADS, utc_now)


class TestFolder(StorageContract):
    @pytest.fixture
    def wait(self, wait: Wait) -> Wait:
        return wait

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return FolderStorage(tmp_path / "media", UPLOADS)


class TestFolderFiles:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "media"

    @pytest.fixture
    def storage(self, root: Path) -> FolderStorage:
        return FolderStorage(root, UPLOADS)

    async def test_a_file_on_the_same_file_system_is_moved(
        self, storage: FolderStorage, tmp_path: Path
    ) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"1")
        number = source.stat().st_ino
        await storage.put("a/b", source, "image/webp")

        assert not source.exists()
        assert (storage.root / "objects/a/b").stat().st_ino == number

    async def test_a_file_on_another_file_system_is_copied(
        self, storage: FolderStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"1")
        rename = Path.rename

        def renamed(this: Path, target: Path) -> Path:
            if this == source:
                raise OSError(errno.EXDEV, "another disk")
            return rename(this, target)

        monkeypatch.setattr(Path, "rename", renamed)
        await storage.put("a/b", source, "image/webp")

        assert await got(storage, "a/b") == b"1"
        assert source.exists()

    async def test_an_incomplete_object_is_not_listed_and_is_removed_after_a_failure(
        self, storage: FolderStorage, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed: list[list[str]] = []
        sync = os.fsync

        def full(number: int) -> None:
            files = (str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
            listed.append([name for name in files if name != "made"])
            sync(number)
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageFull):
            await put(storage, tmp_path, "a/b", b"1")

        assert len(listed) == 1
        assert listed[0][0].startswith("incoming/")
        assert await storage.list() == []
        assert os.listdir(root / "incoming") == []  # noqa: PTH208 - blocks no longer than the rest

    async def test_the_next_put_removes_old_leftovers_of_killed_processes(
        self, storage: FolderStorage, root: Path, tmp_path: Path
    ) -> None:
        for name, age in (("old", LEFT_SECONDS + 60), ("new", 60)):
            (root / "incoming" / name).mkdir(parents=True)
            (root / "incoming" / name / "object").write_bytes(b"half")
            os.utime(root / "incoming" / name, (time.time() - age,) * 2)
        await put(storage, tmp_path, "a/b", b"1")

        assert os.listdir(root / "incoming") == ["new"]  # noqa: PTH208 - blocks no longer than the rest

    async def test_a_file_whose_name_is_not_a_key_is_not_listed(
        self, storage: FolderStorage, root: Path, tmp_path: Path
    ) -> None:
        await put(storage, tmp_path, "a/b", b"1")
        for name in ("a b", ".DS_Store", "a/.nfs0001", "ä"):
            (root / "objects" / name).write_bytes(b"1")

        assert [one.key for one in await storage.list("", "", 1)] == ["a/b"]
        assert [one.key for one in await storage.list()] == ["a/b"]

    async def test_a_list_does_not_follow_links(
        self, storage: FolderStorage, root: Path, tmp_path: Path
    ) -> None:
        await put(storage, tmp_path, "a/b", b"1")
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"2")
        (root / "objects/link").symlink_to(outside)

        assert [one.key for one in await storage.list()] == ["a/b", "link"]

    @pytest.mark.parametrize("link", ["file", "folder"])
    async def test_reads_and_writes_do_not_follow_links(
        self, storage: FolderStorage, root: Path, tmp_path: Path, link: str
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "secret").write_bytes(b"precious")
        (root / "objects").mkdir(parents=True)
        if link == "folder":
            (root / "objects/a").symlink_to(outside)
        else:
            (root / "objects/a").mkdir()
            (root / "objects/a/secret").symlink_to(outside / "secret")

        with pytest.raises((NoSuchObject, Unavailable)):
            await got(storage, "a/secret")
        with pytest.raises((NoSuchObject, Unavailable)):
            await storage.fetch("a/secret", tmp_path / "target")
        try:
            await put(storage, tmp_path, "a/secret", b"overwritten")
            await storage.delete(["a/secret"])
        except Unavailable:
            pass
        assert (outside / "secret").read_bytes() == b"precious"

    async def test_deleting_the_last_object_of_a_folder_removes_the_folder(
        self, storage: FolderStorage, root: Path, tmp_path: Path
    ) -> None:
        await put(storage, tmp_path, "a/b/c", b"1")
        await put(storage, tmp_path, "a/d", b"1")
        await storage.delete(["a/b/c"])
        assert sorted(path.name for path in (root / "objects").rglob("*")) == ["a", "d"]
        await storage.delete(["a/d"])

        assert [*(root / "objects").iterdir()] == []

    async def test_an_unusable_folder_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        storage = FolderStorage(tmp_path / "file", UPLOADS)

        with pytest.raises(Unavailable):
            await storage.check()
        with pytest.raises(Unavailable):
            await put(storage, tmp_path, "a", b"1")
