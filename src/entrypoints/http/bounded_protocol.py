"""The protocol of connections: how long a client may take to send a request, and how much it may pipeline.

uvicorn waits forever for the rest of a header or a body. Here one clock checks all connections once a second, which costs
a request two numbers; a timer per request would cost as much as routing. uvicorn also parses and queues everything that a
client sends before it has its responses. Here reading stops once some requests wait.
"""

import socket
from collections.abc import Callable
from math import inf
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from entrypoints.http.connections import Connections
from entrypoints.http.request_middleware import MAX_HEADER_BYTES, host_error, id_of, last_resort
from entrypoints.http.websockets import LEAVING_SECONDS, SOCKET_SEND_BYTES, BoundedSocket, Upgraded

BODY_SECONDS = 10.0
"""From the end of the headers to the end of the body. The deadline is extended by the body that arrives, at..."""
BYTES_PER_SECOND = 32 * 1024
"""...this rate: a large body may take longer, a slow one may not."""
MAX_PIPELINED = 16
"""Requests of a connection that may wait while an earlier one is answered. Beyond that nothing is read."""
MAX_PIPELINED_BYTES = 64 * 1024
"""The size of the waiting requests, including bodies."""
_BODY_HEADERS = {b"content-length", b"transfer-encoding"}
_WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}
_END_OF_HEADERS = b"\r\n\r\n"


def bounded(connections: Connections) -> Callable[..., HttpToolsProtocol]:
    """Makes the protocols of new connections; uvicorn calls it as if it were a class."""

    def make(
        config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None
    ) -> BoundedProtocol:
        return BoundedProtocol(connections, config, server_state, app_state, _loop)

    return make


class _Flow(FlowControl):
    """uvicorn's flow control, which resumes reading with each response; not while it is held."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines and bounds."""

    flow: _Flow

    def __init__(
        self,
        connections_: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all = connections_
        self.network = ""
        self.due = inf
        """The deadline of the client for what it is sending, by the clock of the event loop."""
        self._header_bytes = self._upgrade_bytes = 0
        self._body_left = 0
        """Bytes of the body that have not arrived yet, if the headers have its length."""
        self._waiting_bytes = 0
        self._unread = b""
        """Data after the last request for which there was room."""
        self._held_at = 0.0
        self._stop_reading = False
        """Whether nothing more is read: the connection ends with the responses in progress."""
        self._closing = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = _Flow(transport)
        now = self.loop.time()
        if self._all.enter(self, self.client[0] if self.client else "", now):
            self.due = now + self._all.header_seconds
        else:
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self)
        self._unread = b""
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        if not self._idle() or any(name in _BODY_HEADERS for name, _ in self.headers):
            # The handshake would be passed to a protocol that waits for the body and has no deadline.
            self._refuse(400, "upgrade")
            return
        if self._upgrade_bytes > MAX_HEADER_BYTES:
            self._refuse(431, "too_large")
            return
        if host_error(self.headers, self.parser.get_http_version()):
            self._refuse(400, "upgrade")
            return
        super().handle_websocket_upgrade()
        upgraded = self.transport.get_protocol()
        if isinstance(upgraded, BoundedSocket):
            place = Upgraded(self.network, self.transport)
            connections = self._all  # and not `self`, which would stay in memory
            upgraded.leave = lambda: connections.leave(place)
            system = self.transport.get_extra_info("socket")
            system.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_SEND_BYTES)
            self._all.replace(self, place)

    def data_received(self, data: bytes) -> None:
        if self.flow.held:  # data that was in flight when reading stopped
            self._unread += data
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Give the parser one request at a time, so that it produces no more requests than may wait."""
        begin, end = 0, len(data)
        while begin < end and not (self._stop_reading or self.transport.is_closing()):
            if len(self.pipeline) >= MAX_PIPELINED or self._waiting_bytes > MAX_PIPELINED_BYTES:
                self._unread = data[begin:]
                self.flow.held, self._held_at = True, self.loop.time()
                self.flow.pause_reading()
                return
            if self._body_left:
                upto = begin + self._body_left
            else:  # headers and chunked bodies end like this
                found = data.find(_END_OF_HEADERS, begin)
                upto = end if found < 0 else found + len(_END_OF_HEADERS)
            piece = data if begin == 0 and upto >= end else data[begin:upto]
            begin += len(piece)
            self._header_bytes += len(piece)
            if self.pipeline:
                self._waiting_bytes += len(piece)
            self._feed(piece)
            if self.transport.get_protocol() is not self:
                return  # it is a WebSocket now
        if self.due != inf:
            if self._header_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
                self._refuse(431, "too_large")
        elif (
            self._between_requests()
        ):  # blank lines, which begin no request and would end the keep-alive timer
            self.due = self.loop.time() + self._all.header_seconds

    def _feed(self, data: bytes) -> None:
        """As uvicorn's `data_received`, but without its log lines: there would be one or two for each such request."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            # Otherwise the request is answered like any other: a server may ignore `Upgrade` (RFC 9110, 7.8).
        except httptools.HttpParserError:
            self._refuse(400, "malformed")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline:
            self._waiting_bytes = 0
            if self.flow.held and not self.transport.is_closing():
                self.flow.held = False
                self.due += self.loop.time() - self._held_at  # the client was not the one to wait for
                self.flow.resume_reading()
                unread, self._unread = self._unread, b""
                self._parse(unread)

    def _refuse(self, status: int, defect: str = "") -> None:
        """Respond with the reason and close the connection. If responses are in progress, close after them. A broken body gets
        this response, unless its own response has begun. `defect` is what is wrong with the request, if it is to blame."""
        in_progress = not self._idle()
        is_answered = not in_progress or (self.cycle.more_body and not self.cycle.response_started)
        id_ = id_of({}) if is_answered else ""
        if defect:
            self._all.note_invalid(defect, self.network, id_, self.loop.time())
        if in_progress and not self.cycle.more_body:
            self.cycle.keep_alive, self._stop_reading = False, True
            return
        if not is_answered:
            self.transport.close()
            return
        headers, body = last_resort(status, id_)
        lines = [STATUS_LINE[status]]
        for name, value in [*self.server_state.default_headers, *headers, (b"connection", b"close")]:
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        if self.due == inf:
            self.due = self.loop.time() + self._all.header_seconds

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self._should_upgrade():
            self._upgrade_bytes = self._header_bytes
            super().on_headers_complete()
            return
        self.scope["header_bytes"] = self._header_bytes  # type: ignore[typeddict-unknown-key]
        self._header_bytes = 0
        self.due = self.loop.time() + BODY_SECONDS
        super().on_headers_complete()
        if self._all.draining:
            self.cycle.keep_alive = False
        if self.scope["method"] not in _WITHOUT_BODY:
            self._body_left = _content_length(self.headers)
        # Trailers after the body must not become headers of the request: proxies do not check them.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        self._header_bytes = 0
        self._body_left = max(0, self._body_left - len(body))
        self.due += len(body) / BYTES_PER_SECOND
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._header_bytes = self._body_left = 0
        self.due = inf
        super().on_message_complete()

    def _between_requests(self) -> bool:
        return self._idle() and self.timeout_keep_alive_task is None

    @property
    def is_idle(self) -> bool:
        """Whether no response is in progress."""
        return self._idle()

    def _idle(self) -> bool:
        """Whether no response is in progress."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def check_deadline(self, now: float) -> None:
        """Close the connection at its deadline, and abort it if the client then does not read the rest of its response."""
        if not self.transport.is_closing():
            if self.due <= now and not self.flow.held:
                self.transport.close()
        elif not self._closing:
            self._closing, self.due = True, now + LEAVING_SECONDS
        elif self.due <= now:
            self.transport.abort()


def _content_length(headers: list[tuple[bytes, bytes]]) -> int:
    """0 without the header. The parser has refused an invalid number, and a length together with chunks."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return 0
