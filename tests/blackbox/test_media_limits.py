"""Limits of uploads: their size and number, the memory that they use, and their duration."""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from .client import Api, done, eventually, field_errors, refusal, refused
from .conftest import LONG, OWN_SERVER, RUNNING, SHAPES, a_waggle
from .pictures import begun, picture, puts, ready, served, settled, uploaded, uploads
from .process import Waggle

pytestmark = pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)
MB = 1024 * 1024
OWN = ["embedded" if "embedded" in SHAPES else SHAPES[0]]


@pytest.fixture(scope="module", params=OWN)
def waggle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waggle]:
    settings = {
        "WAGGLE_MEDIA_FILE_MB": "1",
        "WAGGLE_MEDIA_USER_MB": "2",
        "WAGGLE_MEDIA_FILES_A_DAY": "4",
        "WAGGLE_ACCESS_LOG": "all",
    }
    with a_waggle(request, request.param, tmp_path_factory.mktemp("limits"), **settings) as running:
        yield running


@pytest.fixture
def api(waggle: Waggle) -> Iterator[Api]:
    with closing(Api(waggle.base_url)) as api:
        yield api


def noise(size: int) -> bytes:
    return os.urandom(size)


def test_a_file_above_the_size_limit_is_refused(api: Api) -> None:
    maya = api.someone()

    assert refusal(uploads(maya, noise(MB + 1))) == (413, "body_too_large")
    assert refusal(uploads(maya, noise(2 * MB))) == (413, "body_too_large")
    assert set(field_errors(maya.post("/api/v1/media/uploads", {"type": "image/png", "bytes": MB + 1}))) == {
        "/bytes"
    }
    done(uploads(maya, noise(MB)), 202)


def test_a_chunked_upload_is_refused_at_the_size_limit(waggle: Waggle, api: Api) -> None:
    maya = api.someone()
    place = urlsplit(waggle.base_url)
    head = (
        f"POST /api/v1/media HTTP/1.1\r\nHost: waggle\r\nAuthorization: {maya.headers()['Authorization']}\r\n"
        "Content-Type: multipart/form-data; boundary=X\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    begin = b'--X\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=20) as connection:
        connection.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(begin), begin))
        for _ in range(20):
            connection.sendall(b"%x\r\n%b\r\n" % (64 * 1024, b"x" * 64 * 1024))
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_user_has_a_quota_of_bytes_and_files(api: Api) -> None:
    """ME-9."""
    maya, willy = api.someone(), api.someone()
    for _ in range(2):
        uploaded(maya, noise(MB - 100))
    problem = refused(uploads(maya, noise(MB // 2)), 429, "media_quota")
    assert "2,097,152" in problem["detail"]
    response = maya.post("/api/v1/media/uploads", {"type": "image/png", "bytes": MB // 2})
    assert refusal(response) == (429, "media_quota")

    for _ in range(4):
        uploaded(willy, picture(9, 9))
    assert refusal(uploads(willy, picture(9, 9))) == (429, "media_quota")


def test_deleted_uploads_of_the_last_24_hours_count_towards_the_quota(api: Api) -> None:
    """ME-9."""
    maya, willy = api.someone(), api.someone()
    for _ in range(2):
        media = settled(maya, uploaded(maya, noise(MB - 100)))
        done(maya.delete(f"/api/v1/media/{media['id']}"), 204)
    assert refusal(uploads(maya, noise(MB // 2))) == (429, "media_quota")
    for _ in range(2):  # also with tickets
        media = begun(willy, noise(9))["media"]
        done(willy.delete(f"/api/v1/media/{media['id']}"), 204)
        media = settled(willy, uploaded(willy, noise(9)))
        done(willy.delete(f"/api/v1/media/{media['id']}"), 204)
    assert refusal(uploads(willy, noise(9))) == (429, "media_quota")
    response = willy.post("/api/v1/media/uploads", {"type": "image/png", "bytes": 9})
    assert refusal(response) == (429, "media_quota")


def test_orphaned_objects_are_removed_automatically(waggle: Waggle, api: Api) -> None:
    """ME-9."""
    maya = api.someone()
    media = ready(maya)
    folder = waggle.data_dir / "media" / "objects"
    orphans = [folder / media["id"] / ("x" * 22) / "upload", folder / "1792" / ("y" * 22) / "large.webp"]
    foreign, young = folder / "backups" / "today.tar", folder / "1793" / ("z" * 22) / "upload"
    hour_ago = time.time() - 3600
    for path in (*orphans, foreign, young):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"left")
        if path != young:
            os.utime(path, (hour_ago, hour_ago))
    assert waggle.stop() == 0
    waggle.start()  # a round through all objects starts now, and then every twenty minutes

    def removed() -> None:
        assert [path for path in orphans if path.exists()] == []

    eventually(removed)
    assert foreign.exists()
    assert young.exists()  # it is removed later
    api.http.close()
    with closing(Api(waggle.base_url)) as again:
        maya.http = again.http
        assert (
            served(done(maya.get(f"/api/v1/media/{media['id']}"))["renditions"]["small"]["url"]).status_code
            == 200
        )


def test_refused_and_interrupted_uploads_leave_no_temporary_file(waggle: Waggle, api: Api) -> None:
    maya = api.someone()
    place = urlsplit(waggle.base_url)
    for _ in range(5):
        with socket.create_connection((str(place.hostname), place.port or 80)) as connection:
            connection.sendall(
                b"POST /api/v1/media HTTP/1.1\r\nHost: waggle\r\nContent-Length: 900000\r\n"
                b"Content-Type: multipart/form-data; boundary=X\r\n"
                b"Authorization: " + maya.headers()["Authorization"].encode() + b"\r\n\r\n"
                b'--X\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + noise(600_000)
            )
    assert refusal(uploads(maya, noise(MB + 1))) == (413, "body_too_large")
    upload = begun(maya, noise(1000))["upload"]
    assert puts(upload, noise(900)).status_code == 403

    def check() -> None:
        kept = [path for path in waggle.data_dir.glob("tmp/**/*") if path.is_file() and path.name != "lock"]
        assert kept == []

    eventually(check)


@pytest.mark.skipif(not LONG, reason="takes 15 seconds: runs with WAGGLE_TEST_LONG=1 (make test-long)")
def test_a_slow_and_steady_upload_is_accepted(waggle: Waggle, api: Api) -> None:
    maya = api.someone()
    data = picture(60, 60) + bytes(900_000)
    place = urlsplit(waggle.base_url)
    head = (
        f"POST /api/v1/media HTTP/1.1\r\nHost: waggle\r\nAuthorization: {maya.headers()['Authorization']}\r\n"
        f"Content-Type: multipart/form-data; boundary=X\r\nContent-Length: {len(data) + 53 + 10}\r\n\r\n"
    )
    body = b'--X\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + data + b"\r\n--X--\r\n"
    head = head.replace(str(len(data) + 63), str(len(body)))
    began = time.monotonic()
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=20) as connection:
        connection.sendall(head.encode())
        for at in range(0, len(body), 60_000):
            connection.sendall(body[at : at + 60_000])
            time.sleep(1)  # what is tested: an upload that is slow and steady
        answer = connection.recv(4096)

    assert time.monotonic() - began > 14
    assert answer.startswith(b"HTTP/1.1 202 ")


def test_a_stalled_upload_times_out(waggle: Waggle, api: Api) -> None:
    maya = api.someone()
    place = urlsplit(waggle.base_url)
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=20) as connection:
        connection.sendall(
            b"POST /api/v1/media HTTP/1.1\r\nHost: waggle\r\nContent-Length: 900000\r\n"
            b"Content-Type: multipart/form-data; boundary=X\r\n"
            b"Authorization: " + maya.headers()["Authorization"].encode() + b"\r\n\r\n--X\r\n"
        )
        began = time.monotonic()
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 408 ") or answer == b""
    assert 8 < time.monotonic() - began < 16


def test_the_log_contains_no_url_of_a_file(waggle: Waggle, api: Api) -> None:
    maya = api.someone()
    url = urlsplit(ready(maya)["renditions"]["small"]["url"])
    ticket = urlsplit(begun(maya, picture(9, 9))["upload"]["url"])
    assert served(url.geturl()).status_code == 200
    assert httpx.put(ticket.geturl(), content=b"x").status_code == 403

    log = waggle.log.read_text()
    assert "/media/{media_id}/{secret}/{file}" in log
    secrets = re.findall(r"/([\w-]{22})/", url.path + ticket.path)
    assert len(secrets) == 2
    for hidden in (*secrets, "sig=", "until=", "Signature"):
        assert hidden not in log


# --- Memory -----------------------------------------------------------------------------------------

SIZE = (500 if LONG else 100) * MB


class Stream:
    """A form with a generated file of this size, which is never in memory as a whole."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        yield b'--X\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
        yield from self.file()
        yield b"\r\n--X--\r\n"

    def file(self) -> Iterator[bytes]:
        piece = bytes(range(256)) * 1024
        for _ in range(self.size // len(piece)):
            yield piece


def highest(waggle: Waggle, work: Callable[[], None]) -> int:
    """Return the largest growth of the memory of the server in bytes during `work`."""
    before, most, done_ = waggle.memory(), [0], threading.Event()

    def watch() -> None:
        while not done_.wait(0.05):
            most[0] = max(most[0], waggle.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done_.set()
        watcher.join()
    return most[0] - before


@pytest.mark.scaled
@pytest.mark.parametrize("shape", sorted({*OWN, *(["scaled"] if "scaled" in SHAPES else [])}))
def test_a_large_upload_uses_little_memory(
    request: pytest.FixtureRequest, tmp_path: Path, shape: str
) -> None:
    with ExitStack() as stack:
        large = str(SIZE // MB + 1)
        waggle = stack.enter_context(
            a_waggle(
                request, shape, tmp_path, WAGGLE_MEDIA_FILE_MB=large, WAGGLE_MEDIA_USER_MB=str(SIZE // MB * 3)
            )
        )
        api = stack.enter_context(closing(Api(waggle.base_url)))
        maya = api.someone()
        ready(maya)  # loads everything that is loaded on first use

        def by_the_api() -> None:
            answer = httpx.post(
                f"{waggle.base_url}/api/v1/media",
                content=iter(Stream(SIZE)),
                headers={**maya.headers(), "Content-Type": "multipart/form-data; boundary=X"},
                timeout=300,
            )
            assert answer.status_code == 202, answer.text

        grown = highest(waggle, by_the_api)
        assert grown < 100 * MB, f"{grown / MB:.0f} MB"

        def by_a_ticket() -> None:
            upload = done(maya.post("/api/v1/media/uploads", {"type": "video/mp4", "bytes": SIZE}), 201)[
                "upload"
            ]
            headers = {**upload["headers"], "Content-Length": str(SIZE)}
            answer = httpx.put(upload["url"], content=Stream(SIZE).file(), headers=headers, timeout=300)
            assert answer.is_success, answer.text

        grown = highest(waggle, by_a_ticket)
        assert grown < 100 * MB, f"{grown / MB:.0f} MB"
