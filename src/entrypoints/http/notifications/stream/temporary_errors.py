"""Responses an EventSource whose stream cannot be opened at the moment with a stream that ends.

A single 429, 500, 502 or 503 ends an EventSource permanently, even with Retry-After (observed in Chromium). A stream
that contains `retry:` and ends makes it reconnect. The access log has the status that the stream replaces."""

import random
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.http.notifications.stream import frames

PATH = "/api/v1/stream"
EVENTS = b"text/event-stream"
TEMPORARY = frozenset({429, 500, 502, 503, 504})
RETRY_SECONDS, JITTER_SECONDS = 5.0, 3.0
"""The pause if the response names none, and the maximum of the random addition that spreads reconnects."""
_REPLACED = {b"content-type", b"content-length", b"cache-control"}


class TemporaryErrorsAsEvents:
    """The outermost ASGI middleware. It replaces temporary errors of the layers below."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["path"] == PATH and _wants_events(scope):
            send = _Replacing(send)
        await self._app(scope, receive, send)


def bye_event(retry_ms: int) -> bytes:
    """The last event of a stream. EventSource obeys `retry`."""
    return b"event: bye\nretry: %d\ndata: %b\n\n" % (retry_ms, frames.encode(frames.Bye(retry_ms)))


def _wants_events(scope: Any) -> bool:
    return scope["method"] == "GET" and any(
        name == b"accept" and EVENTS in value for name, value in scope["headers"]
    )


class _Replacing:
    """The `send` of one request."""

    __slots__ = ("_body", "_send")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._body: bytes | None = None
        """Replaces the body of the response once; then empty."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in TEMPORARY:
            headers: Any = message["headers"]
            self._body = bye_event(_pause(headers))
            kept = [(name, value) for name, value in headers if name.lower() not in _REPLACED]
            added = [(b"content-type", EVENTS), (b"cache-control", b"no-store")]
            message = {**message, "status": 200, "headers": [*kept, *added]}
        elif message["type"] == "http.response.body" and self._body is not None:
            message = {**message, "body": self._body}
            self._body = b""
        await self._send(message)


def _pause(headers: Any) -> int:
    """Milliseconds."""
    named = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    seconds = float(named) if named.isdigit() else RETRY_SECONDS
    return int((seconds + random.uniform(0, JITTER_SECONDS)) * 1000)  # noqa: S311 - not a secret
