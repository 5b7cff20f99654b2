"""/media/…: the files of renditions, for browsers, caches and every client that has their URLs."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Annotated, Any

from litestar import Controller, Response, get
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.types import Receive, Scope, Send

from application.media.ports import AddressVerifier, NoSuchObject
from application.media.serving import FindRendition, FoundRendition, OpenRendition
from domain.media import MediaNotFound
from domain.shared import DomainError, Unavailable
from entrypoints.http.errors import refusal
from entrypoints.http.etags import is_known
from entrypoints.http.media.shapes import a_media
from entrypoints.http.openapi import policy
from entrypoints.http.responses import RawHeaders, Ready, ReadyResponse

OPEN_SECONDS = 4.0
"""The timeout for the storage to begin its response. It is shorter than the deadline of the request, so that the client gets the
reason."""
PIECE_SECONDS = 30.0
"""The timeout for a client to receive a chunk of at most 256 KB."""
FOR_EVER = b"public, max-age=31536000, immutable"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_TAGS = 1000
_GUARDS: RawHeaders = [
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
"""Together with `nosniff`, which every response has: a browser never treats a file as a page or a script."""


Until = Annotated[str, QueryParameter(max_length=20)]
Signature = Annotated[str, QueryParameter(name="sig", max_length=200)]
Asked = Annotated[str | None, HeaderParameter(name="Range", max_length=200)]
IfRange = Annotated[str | None, HeaderParameter(name="If-Range", max_length=200)]
Known = Annotated[str | None, HeaderParameter(name="If-None-Match", max_length=_TAGS)]


class ServingController(Controller):
    find_rendition: FindRendition
    open_rendition: OpenRendition
    signed_addresses: AddressVerifier

    path = "/media"
    include_in_schema = False

    @get("/{media_id:str}/{secret:str}/{file:str}", opt=policy("public", limit="media"))
    async def serve(
        self,
        media_id: FromPath[str],
        secret: FromPath[str],
        file: FromPath[str],
        *,
        until: Until = "",
        sig: Signature = "",
        range_: Asked = None,
        if_range: IfRange = None,
        if_none_match: Known = None,
    ) -> Response[Any]:
        path = f"/media/{media_id}/{secret}/{file}"
        signed = bool(sig) and self.signed_addresses.check(path, until, sig)
        found = await self.find_rendition(a_media(media_id), secret, file, signed=signed)
        tag = f'"{hashlib.blake2b(found.media.key(found.rendition).encode(), digest_size=12).hexdigest()}"'
        headers = [
            (b"etag", tag.encode()),
            (b"cache-control", _private(until) if signed else FOR_EVER),
            *_GUARDS,
        ]
        if is_known(if_none_match, tag):
            return ReadyResponse(Ready(304, headers, b""))
        size = found.rendition.bytes
        part = _part(range_, size) if if_range is None or if_range.strip() == tag else (0, size)
        if part is None:
            about = [(b"content-range", b"bytes */%d" % size), (b"content-length", b"0"), *_GUARDS]
            return ReadyResponse(Ready(416, [*about, (b"cache-control", b"no-store")], b""))
        start, length = part
        headers += [
            (b"content-type", found.rendition.type.encode()),
            (b"content-length", b"%d" % length),
            (b"content-disposition", b"inline"),
            (b"accept-ranges", b"bytes"),
        ]
        if length < size:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (start, start + length - 1, size)))
        return ReadyResponse(
            _Streamed(self.open_rendition, found, part, 206 if length < size else 200, headers)
        )


def _private(until: str) -> bytes:
    return b"private, max-age=%d" % max(0, int(until) - int(time.time()))


def _part(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return the start and the length of the range; None if it begins after the end. Several ranges and an invalid range
    mean the whole file (RFC 9110, 14.2)."""
    match = _RANGE.fullmatch(asked.strip()) if asked else None
    if match is None or match[0] == "bytes=-":
        return 0, size
    first, last = match[1], match[2]
    if not first:
        length = min(int(last), size)
        return (size - length, length) if length else None
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return 0, size
    return (start, end - start + 1) if start < size else None


class _Streamed(Ready):
    """Streams the bytes as fast as the client receives them."""

    def __init__(
        self,
        open_: OpenRendition,
        found: FoundRendition,
        part: Sequence[int],
        status: int,
        headers: RawHeaders,
    ) -> None:
        super().__init__(status, headers, b"")
        self._open, self._found, self._part = open_, found, part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("head"):
            await super().__call__(scope, receive, send)
            return
        started = False
        try:
            async with AsyncExitStack() as stack:
                pieces = await self._opened(stack)
                scope["drop_deadline"]()  # type: ignore[typeddict-item]  # set by the middleware
                gone = asyncio.create_task(_gone(receive))
                try:
                    await send(
                        {"type": "http.response.start", "status": self.status, "headers": self.headers}
                    )
                    started = True
                    async for piece in pieces:
                        if gone.done():
                            return
                        async with asyncio.timeout(PIECE_SECONDS):
                            await send({"type": "http.response.body", "body": piece, "more_body": True})
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                finally:
                    gone.cancel()
        except (NoSuchObject, DomainError, TimeoutError) as error:
            if started:  # too late for an error response
                await _abort(scope, receive)
                return
            problem = error if isinstance(error, DomainError) else MediaNotFound("no such media")
            await refusal(problem, str(scope.get("request_id", "")))(scope, receive, send)

    async def _opened(self, stack: AsyncExitStack) -> AsyncIterator[bytes]:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                return await stack.enter_async_context(self._open(self._found, *self._part))
        except TimeoutError:
            raise Unavailable("the storage does not answer") from None


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _abort(scope: Any, receive: Receive) -> None:
    """Abort the connection, so that the client notices that its file is incomplete."""
    abort = scope.get("abort")
    if abort is not None:
        abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await _gone(receive)
