"""Storages without a network: their contract, the special cases of the folder, and the signing of URLs."""

import asyncio
import errno
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from adapters.clock import utc_now
from adapters.storage.address import S3Address, folder_of
from adapters.storage.folder import LEFT_SECONDS, FolderStorage
from adapters.storage.memory import MemoryStorage
from adapters.storage.signing import MediaAddresses, TicketSigner
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


class TestTickets:
    def test_a_ticket_that_was_signed_with_another_key_is_refused(self) -> None:
        ticket = TicketSigner(b"x" * 32, ORIGIN).ticket(
            "a/b", 5, "image/png", utc_now() + timedelta(minutes=1)
        )

        with pytest.raises(TicketRefused, match="is invalid"):
            UPLOADS.check("a/b", dict(parse_qsl(urlsplit(ticket.url).query)))

    @pytest.mark.parametrize("name", ["until", "size", "type", "sig"])
    @pytest.mark.parametrize("value", ["", "1", "99999999999999999999", "٣", "\ud800", "a\nb", None])
    def test_a_changed_parameter_is_refused(self, name: str, value: str | None) -> None:
        ticket = UPLOADS.ticket("a/b", 5, "image/png", utc_now() + timedelta(minutes=1))
        query = dict(parse_qsl(urlsplit(ticket.url).query))
        if value is None:
            del query[name]
        else:
            query[name] = value

        with pytest.raises(TicketRefused):
            UPLOADS.check("a/b", query)

    def test_the_signature_of_a_rendition_is_not_valid_for_an_upload(self) -> None:
        address = MediaAddresses(UPLOADS.key, ORIGIN).closed("/media/uploads/a")
        query = dict(parse_qsl(urlsplit(address).query))

        with pytest.raises(TicketRefused):
            UPLOADS.check("a", query)


class TestAddresses:
    def test_an_open_url_never_changes(self) -> None:
        assert MediaAddresses(b"k" * 32, ORIGIN).open("/media/1/s/large.webp") == (
            f"{ORIGIN}/media/1/s/large.webp"
        )

    def test_a_closed_url_changes_every_minute_and_is_valid_for_four_to_five(self) -> None:
        at = [1_700_000_040.0]  # a whole minute
        addresses = MediaAddresses(b"k" * 32, ORIGIN, lambda: at[0])
        path = "/media/1/s/large.webp"
        first = addresses.closed(path)
        query = dict(parse_qsl(urlsplit(first).query))
        assert addresses.until() == datetime.fromtimestamp(at[0] + 60, UTC)

        at[0] += 59.9
        assert addresses.closed(path) == first
        assert addresses.check(path, query["until"], query["sig"])
        at[0] += 0.2
        assert addresses.closed(path) != first
        at[0] += 239
        assert addresses.check(path, query["until"], query["sig"])
        at[0] += 1
        assert not addresses.check(path, query["until"], query["sig"])

    @pytest.mark.parametrize(
        ("until", "signature"),
        [
            ("", ""),
            ("٣", "x"),
            ("99999999999", "\ud800"),
            ("-1", ""),
            ("1" * 5000, "ä"),
            ("1700000340", "A" * 24),
        ],
    )
    def test_an_invalid_signature_is_refused(self, until: str, signature: str) -> None:
        addresses = MediaAddresses(b"k" * 32, ORIGIN, lambda: 1_700_000_040.0)

        assert not addresses.check("/media/1/s/large.webp", until, signature)

    def test_a_signature_is_valid_only_for_its_path(self) -> None:
        addresses = MediaAddresses(b"k" * 32, ORIGIN)
        query = dict(parse_qsl(urlsplit(addresses.closed("/media/1/s/large.webp")).query))

        assert addresses.check("/media/1/s/large.webp", query["until"], query["sig"])
        assert not addresses.check("/media/1/s/small.webp", query["until"], query["sig"])


class TestUrls:
    def test_an_s3_url_contains_all_settings(self) -> None:
        address = S3Address.of(
            "s3://bee:h%2Fney@files:9000/hive?region=eu-west-1&tls=off&public=https://files.example"
        )

        assert address == S3Address(
            "files",
            9000,
            "hive",
            "bee",
            "h/ney",
            region="eu-west-1",
            tls=False,
            public="https://files.example",
        )
        assert address.origin == "http://files:9000"
        assert "ney" not in repr(address)

    def test_the_optional_parts_of_an_s3_url_have_defaults(self) -> None:
        address = S3Address.of("s3://bee:honey@files/hive")

        assert (address.tls, address.region, address.origin) == (True, "us-east-1", "https://files")

    @pytest.mark.parametrize(
        "url",
        [
            "s3://files/hive",
            "s3://bee@files/hive",
            "s3://bee:hunter2@files",
            "s3://bee:hunter2@files/a",
            "s3://bee:hunter2@files/hive/below",
            "s3://bee:hunter2@files/HIVE",
            "s3://bee:hunter2@files:99999/hive",
            "s3://bee:hunter2/more@files/hive",
            "s3://bee:hunter2@files/hive?tls=perhaps",
            "s3://bee:hunter2@files/hive?secure=off",
            "s3://bee:hunter2@files/hive?public=files",
            "s3://bee:hunter2@files/hive?public=https://files/path",
            "s3://bee:hunter2@files/hive?region=E U",
            "s3://bee:hunter2@files/hive#part",
            "https://bee:hunter2@files/hive",
        ],
    )
    def test_an_invalid_s3_url_is_refused_without_revealing_the_secret(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"\w") as caught:
            S3Address.of(url)

        assert "hunter2" not in str(caught.value)

    def test_a_folder_url_has_an_absolute_path(self) -> None:
        assert folder_of("file:///srv/the%20media") == Path("/srv/the media")
        for url in ("file:media", "file://host/media", "/srv/media", "file:///srv?x=1"):
            with pytest.raises(ValueError, match="must be like"):
                folder_of(url)
