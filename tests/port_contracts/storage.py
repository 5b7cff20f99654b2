"""What every storage of media must do. Each test has a prefix of its own: a shared bucket keeps what others did."""

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
"""Do what a client does with a ticket; the status of the answer."""

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

    async def test_what_was_put_is_read_again(self, storage: Storage, tmp_path: Path, prefix: str) -> None:
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

    async def test_a_large_file_is_whole(self, storage: Storage, tmp_path: Path, prefix: str) -> None:
        data = os.urandom(MB) * 19 + b"the end"
        await put(storage, tmp_path, prefix + "film", data)

        await storage.fetch(prefix + "film", tmp_path / "target")

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
    async def test_a_part_of_it_is_read(
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

    async def test_whoever_stops_reading_hinders_nobody(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        await put(storage, tmp_path, prefix + "long", os.urandom(2 * MB))
        for _ in range(30):
            async with storage.read(prefix + "long") as pieces:
                async for _piece in pieces:
                    break

        assert len(await got(storage, prefix + "long")) == 2 * MB

    @pytest.mark.parametrize("part", [(0, None), (0, 0), (5, None), (5, 5)])
    async def test_what_is_not_there_is_said_before_anything_is_read(
        self, storage: Storage, tmp_path: Path, prefix: str, part: tuple[int, int | None]
    ) -> None:
        with pytest.raises(NoSuchObject):
            async with storage.read(prefix + "nothing", *part):
                pass
        with pytest.raises(NoSuchObject):
            await storage.fetch(prefix + "nothing", tmp_path / "target")
        assert await storage.stat(prefix + "nothing") is None

    async def test_a_prefix_is_no_object(self, storage: Storage, tmp_path: Path, prefix: str) -> None:
        await put(storage, tmp_path, prefix + "a/b", b"1")

        assert await storage.stat(prefix + "a") is None

    async def test_what_is_put_replaces_what_was_there(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        await put(storage, tmp_path, prefix + "a", b"longer than what comes")
        await put(storage, tmp_path, prefix + "a", b"short")

        assert await got(storage, prefix + "a") == b"short"
        assert [one.bytes for one in await storage.list(prefix)] == [5]

    async def test_a_reader_gets_all_of_the_old_or_all_of_the_new(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        sorts = [bytes([number]) * 700_000 for number in range(6)]
        await put(storage, tmp_path, prefix + "a", sorts[0])

        async def write() -> None:
            for one in sorts * 3:
                await put(storage, tmp_path, prefix + "a", one)

        async def read() -> None:
            while not writing.done():
                assert await got(storage, prefix + "a") in sorts
                await asyncio.to_thread(len, b"")  # memory waits for nothing: let the writer's thread run

        writing = asyncio.create_task(write())
        await asyncio.gather(writing, read(), read())

    async def test_lists_are_in_order_and_go_on_after_a_key(
        self, storage: Storage, tmp_path: Path, prefix: str
    ) -> None:
        names = ["a-b/1", "a.1", "a/1", "a/2/x", "a/2/y", "a0", "b/1", "b_/1", "B/1", "c"]
        for name in names:
            await put(storage, tmp_path, prefix + name, b"1")
        right = sorted(prefix + name for name in names)

        assert [one.key for one in await storage.list(prefix)] == right
        for step in (1, 3):
            found: list[str] = []
            while page := await storage.list(prefix, found[-1] if found else "", step):
                assert len(page) <= step
                found += [one.key for one in page]
            assert found == right
        for one in right:  # a place that is none of the keys' is one, too
            assert [each.key for each in await storage.list(prefix, one + "-")] == [
                key for key in right if key > one + "-"
            ]

    async def test_a_list_has_what_begins_so_and_nothing_else(
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

    async def test_deleting_takes_what_is_there_and_can_be_repeated(
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
    async def test_what_is_no_key_is_refused(self, storage: Storage, tmp_path: Path, key: str) -> None:
        (tmp_path / "source").write_bytes(b"1")
        with pytest.raises(ValueError, match="is no key"):
            await storage.put(key, tmp_path / "source", "image/webp")
        with pytest.raises(ValueError, match="is no key"):
            await storage.fetch(key, tmp_path / "target")
        with pytest.raises(ValueError, match="is no key"):
            await storage.delete([key])
        with pytest.raises(ValueError, match="is no key"):
            storage.ticket(key, 1, "image/png", datetime.now(UTC))

    async def test_it_says_that_it_is_there(self, storage: Storage) -> None:
        await storage.check()

    # --- Tickets ------------------------------------------------------------------------------------

    async def test_a_ticket_lets_in_what_it_says(self, storage: Storage, send: Send, prefix: str) -> None:
        ticket = storage.ticket(prefix + "upload", 5, "image/png", _soon())

        for data in (b"12345", b"54321"):
            assert await send(ticket, data) in {200, 201, 204}
            assert await got(storage, prefix + "upload") == data

    async def test_a_ticket_lets_in_nothing_else(self, storage: Storage, send: Send, prefix: str) -> None:
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

    async def test_a_ticket_expires(self, storage: Storage, send: Send, prefix: str) -> None:
        ticket = storage.ticket(prefix + "upload", 5, "image/png", datetime.now(UTC) + timedelta(seconds=1))
        await asyncio.sleep(2.1)  # S3 counts whole seconds

        assert await send(ticket, b"12345") == 403
        assert await storage.stat(prefix + "upload") is None

    async def test_a_ticket_says_how_to_use_it(self, storage: Storage, prefix: str) -> None:
        until = _soon()
        ticket = storage.ticket(prefix + "upload", 5, "image/png", until)

        assert (ticket.method, ticket.until) == ("PUT", until)
        assert ticket.headers == {"Content-Type": "image/png", "Content-Length": "5"}


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=10)


def _altered(url: str) -> str:
    return url[:-1] + ("0" if url[-1] != "0" else "1")
