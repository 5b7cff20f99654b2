"""The storage on S3: on a server that verifies signatures, and on servers that fail or do not answer."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import httpx
import pytest
from minio import Minio

from adapters.clock import utc_now
from adapters.storage import calling
from adapters.storage.address import S3Address
from adapters.storage.calling import BucketMissing
from adapters.storage.s3 import S3Storage
from application.media.ports import Storage, UploadTicket
from domain.shared import Unavailable
from tests.integration.servers import Server, fresh_bucket, s3
from tests.integration.servers import Unavailable as NoServer
from tests.port_contracts.storage import Send, StorageContract, got, put


@pytest.fixture(scope="module")
def server(note_server: Callable[[object], None]) -> Iterator[Server]:
    try:
        with s3() as running:
            note_server(running)
            yield running
    except NoServer as reason:
        pytest.skip(f"not tested with S3: {reason}")


@pytest.fixture(scope="module")
def bucket(server: Server) -> Iterator[str]:
    with fresh_bucket(server) as url:
        yield url


@pytest.fixture
async def storage(bucket: str) -> AsyncIterator[S3Storage]:
    storage = S3Storage(S3Address.of(bucket), utc_now)
    await storage.prepare()
    yield storage
    storage.close()


@pytest.fixture
def send() -> Send:
    async def send(ticket: UploadTicket, data: bytes) -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(
                ticket.method, ticket.url, content=data, headers=dict(ticket.headers)
            )
        return answer.status_code

    return send


class TestS3(StorageContract):
    pass


async def test_the_content_type_of_an_object_is_stored(
    storage: S3Storage, tmp_path: Path, bucket: str
) -> None:
    await put(storage, tmp_path, "kept/a", b"1")

    assert _client(bucket).stat_object(S3Address.of(bucket).bucket, "kept/a").content_type == "image/webp"


async def test_anonymous_requests_are_refused(storage: S3Storage, tmp_path: Path, bucket: str) -> None:
    await put(storage, tmp_path, "private/a", b"1")
    address = S3Address.of(bucket)
    place = f"{address.origin}/{address.bucket}"
    async with httpx.AsyncClient(trust_env=False) as client:
        for url in (place, f"{place}/", f"{place}?list-type=2", f"{place}/private/a"):
            assert (await client.get(url)).status_code == 403

    assert not await storage.is_exposed()
    assert await storage.list("probe/") == []


async def test_an_object_whose_name_is_not_a_key_is_not_listed(
    storage: S3Storage, tmp_path: Path, bucket: str
) -> None:
    await put(storage, tmp_path, "called/b", b"1")
    for name in ("called/a a", "called/.hidden"):
        _client(bucket).put_object(S3Address.of(bucket).bucket, name, BytesIO(b"1"), 1)

    assert [one.key for one in await storage.list("called/", "", 1)] == ["called/b"]


async def test_more_objects_are_deleted_than_one_request_allows(storage: S3Storage, bucket: str) -> None:
    client, name = _client(bucket), S3Address.of(bucket).bucket
    with ThreadPoolExecutor(8) as threads:
        for number in range(1_005):
            threads.submit(client.put_object, name, f"many/{number:04}", BytesIO(b"1"), 1)
    pages = [await storage.list("many/")]
    pages.append(await storage.list("many/", pages[0][-1].key))
    assert [len(page) for page in pages] == [1_000, 5]

    await storage.delete([one.key for page in pages for one in page])

    assert await storage.list("many/") == []


async def test_a_ticket_can_have_another_public_origin(bucket: str) -> None:
    storage = S3Storage(S3Address.of(f"{bucket}&public=https://files.example.org"), utc_now)
    ticket = storage.ticket("a/upload", 5, "image/png", utc_now() + timedelta(minutes=10))
    storage.close()

    name = S3Address.of(bucket).bucket
    assert ticket.url.startswith(f"https://files.example.org/{name}/a/upload?X-Amz-")
    assert "&X-Amz-Expires=59" in ticket.url or "&X-Amz-Expires=600&" in ticket.url
    assert "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost" in ticket.url


async def test_the_bucket_is_created_as_soon_as_the_server_is_available(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with fresh_bucket(server) as url:
        storage = S3Storage(S3Address.of(url), utc_now)
        with pytest.raises(Unavailable):
            await storage.check()
        with caplog.at_level(logging.INFO):
            task = asyncio.create_task(storage.run())
            await _until(lambda: "the media storage is available" in caplog.text)
        await _until_it_passes(storage)
        task.cancel()
        await asyncio.wait([task])
        assert "publicly readable" not in caplog.text


async def test_a_removed_bucket_is_created_again_and_its_objects_are_not_reported_as_missing(
    server: Server, tmp_path: Path
) -> None:
    with fresh_bucket(server) as url:
        address = S3Address.of(url)
        storage, client = S3Storage(address, utc_now), _client(url)
        await storage.prepare()
        await put(storage, tmp_path, "a/upload", b"1")
        before = await storage.created_at()
        for name in [one.object_name for one in client.list_objects(address.bucket, recursive=True)]:
            client.remove_object(address.bucket, str(name))
        client.remove_bucket(address.bucket)

        with pytest.raises(BucketMissing):
            await storage.stat("a/upload")
        with pytest.raises(BucketMissing):
            await storage.fetch("a/upload", tmp_path / "target")
        with pytest.raises(BucketMissing):
            await put(storage, tmp_path, "a/upload", b"1")
        for _ in range(30):  # the server answers, so the breaker stays closed
            with pytest.raises(BucketMissing):
                await storage.created_at()
        task = asyncio.create_task(storage.run())
        await _until(lambda: client.bucket_exists(address.bucket))
        await put(storage, tmp_path, "a/upload", b"2")
        assert await got(storage, "a/upload") == b"2"
        assert await storage.stat("a/missing") is None
        after = await storage.created_at()
        assert before is not None
        assert after is not None
        assert after >= before
        assert [one.key for one in await storage.list()] == ["a/upload"]
        task.cancel()
        await asyncio.wait([task])


async def test_a_wrong_secret_makes_calls_unavailable_and_appears_nowhere(
    bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = S3Address.of(bucket.replace("waggle-test:", "waggle-test:hunter2"))
    storage = S3Storage(address, utc_now)
    with caplog.at_level(logging.DEBUG):
        for attempt in _everything(storage, tmp_path).values():
            with pytest.raises(Unavailable) as caught:
                await attempt()
            assert "hunter2" not in repr(caught.value)
    storage.close()

    assert "hunter2" not in caplog.text


async def test_a_publicly_readable_bucket_is_logged_as_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    class Open(BaseHTTPRequestHandler):
        """Allows every request to everyone."""

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_HEAD()

        def do_HEAD(self) -> None:
            self.send_response(200)
            for name, value in (("Content-Length", "0"), ("Last-Modified", "Mon, 23 Nov 2026 07:00:00 GMT")):
                self.send_header(name, value)
            self.end_headers()

        do_DELETE = do_HEAD  # noqa: N815 - the library's name

        def log_message(self, *_arguments: object) -> None:
            """Do not write to the output of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Open) as open_to_all:
        Thread(target=open_to_all.serve_forever).start()
        url = f"s3://bee:honey@127.0.0.1:{open_to_all.server_port}/hive?tls=off"
        storage = S3Storage(S3Address.of(url), utc_now)
        try:
            await storage.prepare()
        finally:
            storage.close()
            open_to_all.shutdown()

    assert "the bucket hive is publicly readable" in caplog.text


# --- Unavailable servers ----------------------------------------------------------------------------


def _everything(storage: Storage, folder: Path) -> dict[str, Callable[[], Awaitable[object]]]:
    source = folder / "source"
    source.write_bytes(b"1")
    return {
        "put": lambda: storage.put("a", source, "image/webp"),
        "fetch": lambda: storage.fetch("a", folder / "target"),
        "read": lambda: got(storage, "a"),
        "stat": lambda: storage.stat("a"),
        "delete": lambda: storage.delete(["a"]),
        "list": storage.list,
        "check": storage.check,
    }


METHODS = ("put", "fetch", "read", "stat", "delete", "list", "check")


@pytest.fixture
def hole() -> Iterator[str]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"s3://bee:honey@127.0.0.1:{listener.getsockname()[1]}/hive?tls=off"


async def test_calls_to_a_silent_server_time_out_until_the_breaker_opens(hole: str, tmp_path: Path) -> None:
    storage = S3Storage(S3Address.of(hole), utc_now)
    calls = _everything(storage, tmp_path)
    assert tuple(calls) == METHODS
    began = time.monotonic()
    results = await asyncio.gather(*(call() for call in calls.values()), return_exceptions=True)
    took = time.monotonic() - began

    assert all(isinstance(result, Unavailable) for result in results), results
    assert took < calling.BUDGET + 0.5
    began = time.monotonic()
    for call in calls.values():  # the breaker is open
        with pytest.raises(Unavailable):
            await call()
    assert time.monotonic() - began < 0.5
    storage.close()


async def test_a_call_to_a_server_that_answers_byte_by_byte_times_out(tmp_path: Path) -> None:
    over, ended = asyncio.Event(), asyncio.Event()

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000:
            writer.write(bytes([byte]))
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await over.wait()
                    break
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as dripping:
        port = dripping.sockets[0].getsockname()[1]
        storage = S3Storage(S3Address.of(f"s3://bee:honey@127.0.0.1:{port}/hive?tls=off"), utc_now)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            await storage.stat("a")
        assert time.monotonic() - began < calling.BUDGET + 0.5
        storage.close()
        over.set()
        await ended.wait()


@pytest.mark.parametrize("method", METHODS)
async def test_a_refused_connection_is_unavailable_at_once(method: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    storage = S3Storage(S3Address.of(f"s3://bee:honey@127.0.0.1:{port}/hive?tls=off"), utc_now)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await _everything(storage, tmp_path)[method]()

    assert time.monotonic() - began < 1
    storage.close()


async def test_too_many_concurrent_calls_are_refused_at_once(hole: str) -> None:
    storage = S3Storage(S3Address.of(hole), utc_now)
    waiting = [asyncio.create_task(storage.stat("a")) for _ in range(calling.MOST)]
    await asyncio.sleep(0)  # each has begun its call
    began = time.monotonic()
    with pytest.raises(Unavailable, match="overloaded"):
        await storage.stat("a")
    assert time.monotonic() - began < 0.1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    storage.close()


def _client(url: str) -> Minio:
    address = S3Address.of(url)
    return calling.client(address, calling.connections(tls=False))


async def _until_it_passes(storage: S3Storage) -> None:
    """The result of a check is kept for a second."""
    async with asyncio.timeout(10):
        while True:
            with suppress(Unavailable):
                return await storage.check()
            await asyncio.sleep(0.02)


async def _until(found: Callable[[], bool], timeout: float = 10) -> None:  # noqa: ASYNC109 - it polls
    end = time.monotonic() + timeout
    while not found():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
