"""The contract of the media storages. Each test uses its own prefix, because a shared bucket keeps the objects of others."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from application.media.ports import NoSuchObject, Storage, UploadTicket

MB = 1024 * 1024
Send = Callable[[UploadTicket, bytes], Awaitable[int]]
"""Upload with a ticket like a client. Returns the status of the answer."""
Wait = Callable[[float], Awaitable[None]]
"""Let so many seconds pass on the clock that checks tickets."""

_numbers = itertools.count()


async def put(storage: Storage, folder: Path, key: str, data: bytes) -> None:
    source = folder / f"source-{next(_numbers)}"
    source.write_bytes(data)
    await storage.put(key, source, "image/webp")


async def got(storage: Storage, key: str, start: int = 0, length: int | None = None) -> bytes:
    async with storage.read(key, start, length) as pieces:
        read = [piece async for piece in pieces]
    assert all(0 < len(piece) <= 256 * 1024 for piece in read)
    return b"".join(read)


class StorageContract:
    @pytest.fixture
    def prefix(self) -> str:
        return f"{os.getpid()}-{next(_numbers)}/"

    @pytest.fixture
    def wait(self) -> Wait:
        return asyncio.sleep

    async def test_an_object_is_read_as_it_was_put(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        data, key = os.urandom(3 * MB + 1), f"{prefix}Some-secret_1/large.webp"
        before = datetime.now(UTC)
        await put(storage, tmp_path, key, data)

        assert await got(storage, key) == data
        await storage.fetch(key, tmp_path / "target")
        assert (tmp_path / "target").read_bytes() == data
        stored = await storage.stat(key)
        assert stored is not None
        assert (stored.key, stored.bytes) == (key, len(data))
        assert abs(stored.modified - before) < timedelta(seconds=60)

    async def test_a_large_file_is_stored_completely(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        data = os.urandom(MB) * 19 + b"the end"
        await put(storage, tmp_path, prefix + "video", data)

        await storage.fetch(prefix + "video", tmp_path / "target")

        assert (tmp_path / "target").read_bytes() == data

    async def test_an_empty_file_is_an_object(self, storage: Storage, tmp_path: Path, prefix: str) -> None:
        await put(storage, tmp_path, prefix + "empty", b"")

        assert await got(storage, prefix + "empty") == b""
        assert (await storage.list(prefix))[0].bytes == 0

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, None, b"0123456789"),
            (0, 1, b"0"),
            (3, 4, b"3456"),
            (9, None, b"9"),
            (9, 1, b"9"),
            (5, 100, b"56789"),
            (10, None, b""),
            (1000, 5, b""),
            (3, 0, b""),
        ],
    )
    async def test_a_range_of_an_object_is_read(
        self,
        storage: Storage,
        tmp_path: Path,
        prefix: str,
        start: int,
        length: int | None,
        expected: bytes,
    ) -> None:
        await put(storage, tmp_path, prefix + "digits", b"0123456789")

        assert await got(storage, prefix + "digits", start, length) == expected

    async def test_an_abandoned_read_does_not_block_others(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        await put(storage, tmp_path, prefix + "long", os.urandom(2 * MB))
        for _ in range(30):
            async with storage.read(prefix + "long") as pieces:
                async for _piece in pieces:
                    break

        assert len(await got(storage, prefix + "long")) == 2 * MB

    @pytest.mark.parametrize("part", [(0, None), (0, 0), (5, None), (5, 5)])
    async def test_a_missing_object_is_reported_before_the_first_chunk(
        self, storage: Storage, tmp_path: Path, prefix: str, part: tuple[int, int | None]
    ) -> None:
        with pytest.raises(NoSuchObject):
            async with storage.read(prefix + "nothing", *part):
                pass
        with pytest.raises(NoSuchObject):
            await storage.fetch(prefix + "nothing", tmp_path / "target")
        assert await storage.stat(prefix + "nothing") is None

    async def test_a_prefix_is_not_an_object(self, storage: Storage, tmp_path: Path, prefix: str) -> None:
        await put(storage, tmp_path, prefix + "a/b", b"1")

        assert await storage.stat(prefix + "a") is None

    async def test_a_put_replaces_the_object(self, storage: Storage, tmp_path: Path, prefix: str) -> None:
        await put(storage, tmp_path, prefix + "a", b"longer than what comes")
        await put(storage, tmp_path, prefix + "a", b"short")

        assert await got(storage, prefix + "a") == b"short"
        assert [one.bytes for one in await storage.list(prefix)] == [5]

    async def test_a_concurrent_reader_gets_either_the_old_or_the_new_object(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        versions = [bytes([number]) * 700_000 for number in range(6)]
        await put(storage, tmp_path, prefix + "a", versions[0])

        async def write() -> None:
            for one in versions * 3:
                await put(storage, tmp_path, prefix + "a", one)

        async def read() -> None:
            while not writing.done():
                assert await got(storage, prefix + "a") in versions
                await asyncio.to_thread(
                    len, b""
                )  # reading from memory never waits: let the thread of the writer run

        writing = asyncio.create_task(write())
        await asyncio.gather(writing, read(), read())

    async def test_a_list_is_ordered_and_continues_after_a_key(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        names = ["a-b/1", "a.1", "a/1", "a/2/x", "a/2/y", "a0", "b/1", "b_/1", "B/1", "c"]
        for name in names:
            await put(storage, tmp_path, prefix + name, b"1")
        expected = sorted(prefix + name for name in names)

        assert [one.key for one in await storage.list(prefix)] == expected
        for step in (1, 3):
            found: list[str] = []
            while page := await storage.list(prefix, found[-1] if found else "", step):
                assert len(page) <= step
                found += [one.key for one in page]
            assert found == expected
        for one in expected:  # `after` need not be an existing key
            assert [each.key for each in await storage.list(prefix, one + "-")] == [
                key for key in expected if key > one + "-"
            ]

    async def test_a_list_contains_exactly_the_keys_with_the_prefix(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        for name in ("ab", "a/1", "b/a"):
            await put(storage, tmp_path, prefix + name, b"1")

        async def listed(some: str) -> list[str]:
            return [one.key.removeprefix(prefix) for one in await storage.list(prefix + some)]

        assert await listed("a") == ["a/1", "ab"]
        assert await listed("a/") == ["a/1"]
        assert await listed("c") == []
        assert await listed("a/1/2") == []

    async def test_deleting_ignores_missing_objects_and_can_be_repeated(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        for name in ("a", "b/1", "b/2", "c"):
            await put(storage, tmp_path, prefix + name, b"1")
        for _ in range(2):
            await storage.delete([prefix + "a", prefix + "b/1", prefix + "never"])
            assert [one.key for one in await storage.list(prefix)] == [prefix + "b/2", prefix + "c"]
        await storage.delete([])
        await put(storage, tmp_path, prefix + "b/1", b"again")

        assert await got(storage, prefix + "b/1") == b"again"

    @pytest.mark.parametrize(
        "key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a b", "ä", "a\n", "a\0b", "a" * 201]
    )
    async def test_an_invalid_key_is_refused(self, storage: Storage, tmp_path: Path, key: str) -> None:
        (tmp_path / "source").write_bytes(b"1")
        with pytest.raises(ValueError, match="not a valid object key"):
            await storage.put(key, tmp_path / "source", "image/webp")
        with pytest.raises(ValueError, match="not a valid object key"):
            await storage.fetch(key, tmp_path / "target")
        with pytest.raises(ValueError, match="not a valid object key"):
            await storage.delete([key])
        with pytest.raises(ValueError, match="not a valid object key"):
            storage.ticket(key, 1, "image/png", datetime.now(UTC))

    async def test_an_available_storage_passes_its_check_which_stores_nothing(self, storage: Storage) -> None:
        stored = await storage.list()

        await storage.check()

        assert await storage.list() == stored

    # --- Tickets ------------------------------------------------------------------------------------

    async def test_a_ticket_accepts_matching_uploads(self, storage: Storage, send: Send, prefix: str) -> None:
        ticket = storage.ticket(prefix + "upload", 5, "image/png", _soon())

        for data in (b"12345", b"54321"):
            assert await send(ticket, data) in {200, 201, 204}
            assert await got(storage, prefix + "upload") == data

    async def test_a_ticket_refuses_any_other_upload(self, storage: Storage, send: Send, prefix: str) -> None:
        ticket = storage.ticket(prefix + "upload", 5, "image/png", _soon())
        header = {name.lower(): value for name, value in ticket.headers.items()}
        wrong = {
            "more": (ticket._replace(headers=header | {"content-length": "6"}), b"123456"),
            "less": (ticket._replace(headers=header | {"content-length": "4"}), b"1234"),
            "another type": (ticket._replace(headers=header | {"content-type": "text/html"}), b"12345"),
            "another key": (ticket._replace(url=ticket.url.replace("upload?", "large.webp?")), b"12345"),
            "altered": (ticket._replace(url=_altered(ticket.url)), b"12345"),
            "unsigned": (ticket._replace(url=ticket.url.partition("?")[0]), b"12345"),
        }

        assert {name: await send(*one) for name, one in wrong.items()} == dict.fromkeys(wrong, 403)
        assert await storage.list(prefix) == []

    async def test_a_ticket_expires(self, storage: Storage, send: Send, prefix: str, wait: Wait) -> None:
        ticket = storage.ticket(prefix + "upload", 5, "image/png", datetime.now(UTC) + timedelta(seconds=1))
        await wait(2.1)  # S3 counts whole seconds

        assert await send(ticket, b"12345") == 403
        assert await storage.stat(prefix + "upload") is None

    async def test_a_ticket_has_the_method_headers_and_expiry(self, storage: Storage, prefix: str) -> None:
        until = _soon()
        ticket = storage.ticket(prefix + "upload", 5, "image/png", until)

        assert (ticket.method, ticket.until) == ("PUT", until)
        assert ticket.headers == {"Content-Type": "image/png", "Content-Length": "5"}


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=10)


def _altered(url: str) -> str:
    return url[:-1] + ("0" if url[-1] != "0" else "1")
