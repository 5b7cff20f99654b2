"""Connections: how long a client may take to send a request, how many connections it may hold, and how much it may pipeline.

uvicorn waits forever for the rest of a header or a body. Here one clock checks all connections once a second, which costs
a request two numbers; a timer per request would cost as much as routing. uvicorn also parses and queues everything that a
client sends before it has its responses. Here reading stops once some requests wait.
"""

import resource
import socket
from collections import Counter
from math import inf
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from application.shared.log import log
from entrypoints.access.networks import UNKNOWN, Networks, prefix
from entrypoints.http.request_middleware import MAX_HEADER_BYTES, host_error, last_resort
from entrypoints.http.websockets import LEAVING_SECONDS, SOCKET_SEND_BYTES, BoundedSocket, Upgraded
from entrypoints.log_events import TooManyConnections

HEADER_SECONDS = 10.0
"""From the beginning of a connection, or of a further request on it, to the end of the headers."""
BODY_SECONDS = 10.0
"""From the end of the headers to the end of the body. The deadline is extended by the body that arrives, at..."""
BYTES_PER_SECOND = 32 * 1024
"""...this rate: a large body may take longer, a slow one may not."""
MAX_PIPELINED = 16
"""Requests of a connection that may wait while an earlier one is answered. Beyond that nothing is read."""
MAX_PIPELINED_BYTES = 64 * 1024
"""The size of the waiting requests, including bodies."""
MAX_CONNECTIONS = 10_000
RESERVED_FILES = 256
"""File descriptors that are reserved for the store, logs and uploads."""
MAX_PER_NETWORK = 100
"""Concurrent connections of one network. A browser opens six; trusted proxies have no limit."""

_BODY_HEADERS = {b"content-length", b"transfer-encoding"}
_WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}
_END_OF_HEADERS = b"\r\n\r\n"


class Connections:
    """All connections of this process. `per_network` None means no limit per network."""

    def __init__(self, networks: Networks, per_network: int | None, in_all: int | None = None) -> None:
        self._networks = networks
        self._per_network = per_network
        self._in_all = in_all or _file_descriptor_limit()
        self._of: Counter[str] = Counter()
        self._open: set[BoundedProtocol | Upgraded] = set()
        self._next_warning = 0.0
        self.refused: Counter[str] = Counter(process=0, network=0)
        """Connections that were refused, by whose limit was reached."""
        self.draining = False
        """Whether the server is about to stop: then keep-alive ends, so that clients connect to another process."""

    def __len__(self) -> int:
        return len(self._open)

    def protocol(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None
    ) -> "BoundedProtocol":
        """Make the protocol of a new connection; uvicorn calls this."""
        return BoundedProtocol(self, config, server_state, app_state, _loop)

    def enter(self, connection: "BoundedProtocol", now: float) -> bool:
        """Count a new connection, which later must `leave`. False if there is no room for it."""
        peer = connection.client[0] if connection.client else ""
        network = self._networks.of(peer)
        full = len(self._open) >= self._in_all
        limited = self._per_network is not None and network != UNKNOWN and not self._networks.trusts(peer)
        if full or (limited and self._of[network] >= (self._per_network or 0)):
            self.refused["process" if full else "network"] += 1
            if now >= self._next_warning:  # once a second: too many connections must not fill the log
                self._next_warning = now + 1
                limit, of_network = ("process", "") if full else ("network", prefix(network))
                log(TooManyConnections(limit=limit, network=of_network))
            return False
        connection.network = network
        self._of[network] += 1
        self._open.add(connection)
        return True

    def replace(self, connection: "BoundedProtocol", place: "Upgraded") -> None:
        """Replace a connection by the WebSocket that it became."""
        if connection in self._open:
            self._open.remove(connection)
            self._open.add(place)

    def leave(self, connection: "BoundedProtocol | Upgraded") -> None:
        if connection in self._open:
            self._open.remove(connection)
            self._of[connection.network] -= 1
            if not self._of[connection.network]:
                del self._of[connection.network]

    def abort(self) -> None:
        """Close all connections at once."""
        for connection in tuple(self._open):
            connection.transport.abort()

    def end_overdue(self, now: float) -> None:
        """Close the connections that are past their deadlines. Call it about once a second."""
        for connection in tuple(self._open):
            connection.check_deadline(now)


def _file_descriptor_limit() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files < 0 else max(16, min(MAX_CONNECTIONS, files - RESERVED_FILES))


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
        if self._all.enter(self, now):
            self.due = now + HEADER_SECONDS
        else:
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self)
        self._unread = b""
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        if not self._idle() or any(name in _BODY_HEADERS for name, _ in self.headers):
            # The handshake would be passed to a protocol that waits for the body and has no deadline.
            self._refuse(400)
            return
        if self._upgrade_bytes > MAX_HEADER_BYTES:
            self._refuse(431)
            return
        if host_error(self.headers, self.parser.get_http_version()):
            self._refuse(400)
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
            super().data_received(piece)
            if self.transport.get_protocol() is not self:
                return  # it is a WebSocket now
        if self.due != inf:
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(431)
        elif (
            self._between_requests()
        ):  # blank lines, which begin no request and would end the keep-alive timer
            self.due = self.loop.time() + HEADER_SECONDS

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

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this for data that is not HTTP."""
        self._refuse(400)

    def _refuse(self, status: int) -> None:
        """Respond with the reason and close the connection. If responses are in progress, close after them. A broken body gets
        this response, unless its own response has begun."""
        if not self._idle() and not self.cycle.more_body:
            self.cycle.keep_alive, self._stop_reading = False, True
            return
        if not self._idle() and self.cycle.response_started:
            self.transport.close()
            return
        headers, body = last_resort(status)
        lines = [STATUS_LINE[status]]
        for name, value in [*self.server_state.default_headers, *headers, (b"connection", b"close")]:
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        if self.due == inf:
            self.due = self.loop.time() + HEADER_SECONDS

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
