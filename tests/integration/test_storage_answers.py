"""Unexpected answers of an S3 server, or of a proxy in front of it. The tests run their own server."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest

from adapters.clock import utc_now
from adapters.storage.address import S3Address
from adapters.storage.calling import BucketMissing, StorageRefuses, StorageSlow
from adapters.storage.s3 import PART, S3Storage
from application.media.ports import NoSuchObject
from domain.shared import Unavailable

XML, HTML, TEXT = "application/xml", "text/html", "text/xml"


class Answer(NamedTuple):
    status: int
    body: str = ""
    content_type: str = XML
    headers: tuple[tuple[str, str], ...] = ()


Script = Callable[[str, str], Answer]
"""Returns the answer to a method and a target."""


@contextmanager
def answering(script: Script) -> Iterator[S3Storage]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = script(self.command, self.path)
            body = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            for name, value in answer.headers:
                self.send_header(name, value)
            size = dict(answer.headers).get("X-Size") if self.command == "HEAD" else None
            self.send_header("Content-Length", size or str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_arguments: object) -> None:
            """Do not write to the output of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"s3://bee:honey@127.0.0.1:{server.server_port}/hive?tls=off"
        storage = S3Storage(S3Address.of(url), utc_now)
        try:
            yield storage
        finally:
            storage.close()
            server.shutdown()


def error(code: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'


def head(size: int) -> Answer:
    modified = ("Last-Modified", "Mon, 23 Nov 2026 07:00:00 GMT")
    return Answer(200, headers=(modified, ("ETag", '"e"'), ("X-Size", str(size))))


# --- Multipart uploads that are answered with status 200 and fail -------------------------------------

COMPLETED = (
    '<?xml version="1.0" encoding="UTF-8"?><CompleteMultipartUploadResult><Bucket>hive</Bucket><Key>video</Key>'
    "{etag}</CompleteMultipartUploadResult>"
)


def multipart(completed: str, stat: Answer) -> Script:
    def script(method: str, target: str) -> Answer:
        if method == "POST" and "uploads=" in target:
            return Answer(
                200, "<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
            )
        if method == "POST":
            return Answer(200, completed)
        if method == "PUT":
            return Answer(200, headers=(("ETag", '"part"'),))
        return stat if method == "HEAD" else Answer(204)

    return script


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video"
    path.write_bytes(os.urandom(PART + 1))
    return path


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
async def test_a_completion_that_contains_an_error_fails(video: Path, code: str) -> None:
    answers, refused = (
        multipart(error(code), Answer(404)),
        pytest.raises(Unavailable, match="did not complete"),
    )
    with answering(answers) as storage, refused:
        await storage.put("video", video, "video/mp4")


async def test_a_completion_that_is_not_xml_fails(video: Path) -> None:
    with answering(multipart("<html>", Answer(404))) as storage, pytest.raises(Unavailable):
        await storage.put("video", video, "video/mp4")


async def test_after_a_completion_without_an_etag_the_object_is_checked(video: Path) -> None:
    size = PART + 1
    other = [head(size - 1), head(size)]
    for stat, good in zip(other, (False, True), strict=True):
        with answering(multipart(COMPLETED.format(etag=""), stat)) as storage:
            if good:
                await storage.put("video", video, "video/mp4")
            else:
                with pytest.raises(Unavailable, match="did not complete"):
                    await storage.put("video", video, "video/mp4")
    with answering(multipart(COMPLETED.format(etag="<ETag>&quot;e-2&quot;</ETag>"), Answer(404))) as storage:
        await storage.put("video", video, "video/mp4")


async def test_an_initiation_that_contains_an_error_fails(video: Path) -> None:
    failed = Answer(200, error("InternalError"))
    with answering(lambda _method, _target: failed) as storage, pytest.raises(Unavailable):
        await storage.put("video", video, "video/mp4")


# --- Refusals -----------------------------------------------------------------------------------------

KINDS: dict[str, tuple[Answer, type[Unavailable]]] = {
    "SlowDown": (Answer(503, error("SlowDown")), StorageSlow),
    "503 of a proxy": (Answer(503, "<h1>Service Unavailable</h1>", HTML), StorageSlow),
    "429 without XML": (Answer(429, "slower", "text/plain"), StorageSlow),
    "429": (Answer(429, error("TooManyRequests")), StorageSlow),
    "AccessDenied": (Answer(403, error("AccessDenied")), StorageRefuses),
    "another key": (Answer(403, error("InvalidAccessKeyId")), StorageRefuses),
    "403 of a proxy": (Answer(403, "forbidden", HTML), StorageRefuses),
    "401": (Answer(401, "", HTML), StorageRefuses),
    "NoSuchBucket": (Answer(404, error("NoSuchBucket")), BucketMissing),
    "500": (Answer(500, error("InternalError")), Unavailable),
    "502 of a proxy": (Answer(502, "<h1>Bad Gateway</h1>", HTML), Unavailable),
    "404 of a proxy": (Answer(404, "page not found", "text/plain"), Unavailable),
    "an error as text/xml": (Answer(500, error("InternalError"), TEXT), Unavailable),
    "invalid XML": (Answer(500, "<Error><Code>", XML), Unavailable),
    "invalid bytes": (
        Answer(500, "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"), XML),
        Unavailable,
    ),
}


@pytest.mark.parametrize("name", KINDS)
async def test_a_refusal_has_its_exception_and_never_reports_a_missing_object(
    name: str, tmp_path: Path
) -> None:
    answer, kind = KINDS[name]
    source = tmp_path / "source"
    source.write_bytes(b"1")
    with answering(lambda _method, _target: answer) as storage:
        with pytest.raises(Unavailable) as caught:
            await storage.put("a", source, "image/webp")
        assert type(caught.value) is kind, caught.value.__cause__
        assert "bee" not in str(caught.value)
        with pytest.raises(Unavailable):
            await storage.fetch("a", tmp_path / "target")
        with pytest.raises(Unavailable):
            await storage.stat("a")
        with pytest.raises(Unavailable):
            await storage.list()
        with pytest.raises(Unavailable):
            await storage.check()
        with pytest.raises(Unavailable):
            await storage.prepare()


async def test_an_object_is_reported_as_missing_only_if_the_bucket_exists(tmp_path: Path) -> None:
    def script(method: str, target: str) -> Answer:
        if target.rstrip("/") == "/hive":  # the bucket itself
            return Answer(200 if there else 404)
        return Answer(404, error("NoSuchKey") if method == "GET" else "")

    for there in (True, False):
        with answering(script) as storage:
            if there:
                assert await storage.stat("a") is None
                with pytest.raises(NoSuchObject):
                    await storage.fetch("a", tmp_path / "target")
            else:
                with pytest.raises(BucketMissing):
                    await storage.stat("a")
                with pytest.raises(BucketMissing):
                    await storage.fetch("a", tmp_path / "target")
