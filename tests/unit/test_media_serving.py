"""Serving the files of renditions: ranges, caching, signatures, and answers that cannot be completed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from litestar import Litestar

from adapters.memory.limits import NoLimiter
from application.media.ports import NoSuchObject
from application.media.serving import FoundRendition
from domain.media import Media, MediaKind, MediaNotFound, MediaState, ProcessingResult, Rendition
from domain.shared import DomainError, MediaId, Unavailable, UserId
from entrypoints.access.limits import RateLimits
from entrypoints.access.networks import Networks
from entrypoints.http.cors import Cors, Origins
from entrypoints.http.errors import refuse
from entrypoints.http.media import serving
from entrypoints.http.media.serving import ServingController, _part, _Streamed
from entrypoints.http.request_middleware import RequestMiddleware

SIZE = 1000
RENDITION = Rendition(name="small", type="image/webp", width=8, height=6, bytes=SIZE)
MEDIA = Media(
    id=MediaId(7),
    owner=UserId(1),
    secret="s" * 22,
    state=MediaState.READY,
    result=ProcessingResult(kind=MediaKind.IMAGE, width=8, height=6, blurhash="L", renditions=[RENDITION]),
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, (0, 1000)),
        ("bytes=0-", (0, 1000)),
        ("bytes=0-999", (0, 1000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=999-", (999, 1)),
        ("bytes=10-19", (10, 10)),
        ("bytes=10-5000", (10, 990)),
        ("bytes=-1", (999, 1)),
        ("bytes=-5000", (0, 1000)),
        (" bytes=1-2 ", (1, 2)),
        ("bytes=1000-", None),
        ("bytes=1000-2000", None),
        ("bytes=-0", None),
        ("bytes=9-1", (0, 1000)),
        ("bytes=-", (0, 1000)),
        ("bytes=0-1,5-6", (0, 1000)),
        ("bytes=a-b", (0, 1000)),
        ("bytes=0x1-2", (0, 1000)),
        ("bytes=٠-١", (0, 1000)),
        ("bytes=1--2", (0, 1000)),
        ("items=0-1", (0, 1000)),
        ("bytes=" + "9" * 30 + "-", (0, 1000)),
        ("", (0, 1000)),
    ],
)
def test_a_range_header_selects_one_range_or_the_whole_file(
    asked: str | None, expected: tuple[int, int] | None
) -> None:
    assert _part(asked, SIZE) == expected


class Signed:
    """Accepts the signature `good` with a fixed expiry."""

    def check(self, path: str, until: str, signature: str) -> bool:
        return signature == "good" and path.startswith("/media/7/") and until == "99999999999"


async def found_if_signed_or_open(
    media_id: MediaId, secret: str, file: str, *, signed: bool
) -> FoundRendition:
    media = replace(MEDIA, open=file.startswith("open"))
    if not (media.id == media_id and secret == media.secret and (signed or media.open)):
        raise MediaNotFound("no such media")
    return FoundRendition(media, RENDITION)


async def asked(target: str, method: str = "GET", **headers: str) -> httpx.Response:
    attributes = {
        "find_rendition": staticmethod(found_if_signed_or_open),
        "open_rendition": Opened(b"x" * SIZE),
        "signed_addresses": Signed(),
    }
    handlers = [type("Serving", (ServingController,), attributes)]
    app = Litestar(
        handlers, openapi_config=None, exception_handlers={DomainError: refuse}, logging_config=None
    )
    limits = RateLimits(NoLimiter(), None)
    cors = Cors(Origins(()))
    middleware = RequestMiddleware(
        app, access_log="off", hsts="", networks=Networks(), limits=limits, cors=cors
    )
    transport = httpx.ASGITransport(app=middleware)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://waggle") as client:
        return await client.request(method, target, headers=headers)


OPEN = f"/media/7/{MEDIA.secret}/open.webp"
CLOSED = f"/media/7/{MEDIA.secret}/small.webp"


async def test_a_public_file_is_cacheable_for_ever_by_every_cache() -> None:
    answer = await asked(OPEN)

    assert (answer.status_code, answer.headers["content-length"]) == (200, str(SIZE))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = await asked(OPEN, **{"If-None-Match": f'"x", {answer.headers["etag"]}'})
    assert (again.status_code, again.headers["cache-control"]) == (304, answer.headers["cache-control"])


async def test_a_signed_file_is_cacheable_by_the_client_until_it_expires() -> None:
    answer = await asked(f"{CLOSED}?until=99999999999&sig=good")

    assert answer.status_code == 200
    assert answer.headers["cache-control"].startswith("private, max-age=9")


@pytest.mark.parametrize(
    "target",
    [
        CLOSED,
        f"{CLOSED}?until=99999999999&sig=bad",
        f"{CLOSED}?until=1&sig=good",
        f"{CLOSED}?sig=good",
        OPEN.replace("/7/", "/8/"),
        OPEN.replace("/7/", "/x/"),
        OPEN.replace("/s", "/t"),
    ],
)
async def test_any_other_url_is_not_found(target: str) -> None:
    answer = await asked(target)

    assert (answer.status_code, answer.json()["code"]) == (404, "media_not_found")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_range_and_a_head_request_are_answered() -> None:
    part = await asked(OPEN, Range="bytes=10-19")
    head = await asked(OPEN, "HEAD")

    assert (part.status_code, part.headers["content-range"]) == (206, f"bytes 10-19/{SIZE}")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(SIZE), b"")


class Opened:
    """Yields these chunks, and raises an exception among them. An exception in the first place is raised on entering."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces
        self.closed = False

    @asynccontextmanager
    async def __call__(
        self, _found: FoundRendition, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if isinstance(self._pieces[0], Exception):
            raise self._pieces[0]
        try:
            yield self._all(start, length)
        finally:
            self.closed = True

    async def _all(self, start: int, length: int | None) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece[start:][:length]


async def answered(opened: Opened, *, takes: int = 1000, stays: bool = True) -> tuple[list[Any], list[str]]:
    """Return the sent messages and the actions, for a client that receives `takes` messages, and disconnects first unless it
    `stays`."""
    sent: list[Any] = []
    done: list[str] = []
    left = asyncio.Event()

    async def receive() -> Any:
        if stays:
            await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if len(sent) == takes:
            await asyncio.Event().wait()
        sent.append(message)
        await asyncio.sleep(0)

    def abort() -> None:
        done.append("abort")
        left.set()

    scope: Any = {"request_id": "1", "drop_deadline": lambda: done.append("drop_deadline"), "abort": abort}
    found = FoundRendition(MEDIA, RENDITION)
    await _Streamed(opened, found, (0, SIZE), 200, [])(scope, receive, send)  # type: ignore[arg-type]
    return sent, done


async def test_the_file_is_sent_in_chunks() -> None:
    opened = Opened(b"a" * 600, b"b" * 400)
    sent, done = await answered(opened)

    assert [message.get("status", message.get("body")) for message in sent] == [
        200,
        b"a" * 600,
        b"b" * 400,
        b"",
    ]
    assert done == ["drop_deadline"]
    assert opened.closed


@pytest.mark.parametrize(("error", "status"), [(NoSuchObject(), 404), (Unavailable("away"), 503)])
async def test_a_file_that_cannot_be_opened_is_an_error_response(error: Exception, status: int) -> None:
    sent, done = await answered(Opened(error))

    assert (sent[0]["status"], done) == (status, [])


async def test_a_storage_that_does_not_answer_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "OPEN_SECONDS", 0.01)

    class Hangs(Opened):
        @asynccontextmanager
        async def __call__(
            self, found: FoundRendition, start: int = 0, length: int | None = None
        ) -> AsyncIterator[AsyncIterator[bytes]]:
            await asyncio.Event().wait()
            yield self._all(0, 0)

    sent, done = await answered(Hangs())

    assert (sent[0]["status"], done) == (503, [])


async def test_an_error_after_the_first_chunk_aborts_the_connection() -> None:
    opened = Opened(b"a" * 600, Unavailable("away"))
    sent, done = await answered(opened)

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert done == ["drop_deadline", "abort"]
    assert opened.closed


async def test_a_client_that_receives_too_slowly_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PIECE_SECONDS", 0.05)
    opened = Opened(*[b"a"] * 1000)
    _, done = await answered(opened, takes=3)

    assert done == ["drop_deadline", "abort"]
    assert opened.closed


async def test_reading_stops_after_the_client_disconnected() -> None:
    opened = Opened(*[b"a"] * 1000)
    sent, done = await answered(opened, stays=False)

    assert len(sent) < 5
    assert done == ["drop_deadline"]
    assert opened.closed
