"""Connections: how long a client may take to say what it wants, how many it may hold, and how much of it waits.

uvicorn waits for ever for the rest of a header or of a body. One clock for all connections, looked at
once a second, costs a request two numbers; a timer of its own for each would cost as much as routing.
It also parses and queues whatever a client sends ahead of its answers. Here reading stops once some requests wait.
"""

import logging
import resource
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from entrypoints.access.networks import UNKNOWN, Networks
from entrypoints.http.request_middleware import MAX_HEADER_BYTES, host_error, last_resort

log = logging.getLogger(__name__)

HEADER_SECONDS = 10.0
"""From the beginning of a connection, or of a further request on it, to the end of the headers."""
BODY_SECONDS = 10.0
"""From the end of the headers to the end of the body, and as long again for each that follows of..."""
BYTES_PER_SECOND = 32 * 1024
"""...this much a second: what is large may take longer, what drips may not."""
LEAVING_SECONDS = 10.0
"""For a client to take the rest of its answer, once the server has closed."""
MAX_PIPELINED = 16
"""Requests of a connection that wait while an earlier one is answered. Then nothing more is read."""
MAX_PIPELINED_BYTES = 64 * 1024
"""What those that wait may have in bytes, bodies included."""
MAX_CONNECTIONS = 10_000
RESERVED_FILES = 256
"""File descriptors that are left for the store, logs and uploads."""
SOCKET_SEND_BYTES = 128 * 1024
"""What the system keeps of what a WebSocket's client has not taken. By itself it grows to megabytes of each, and one
that reads nothing is noticed only when it is full."""
MAX_PER_NETWORK = 100
"""Connections of one network at once. A browser opens six; trusted proxies may have as many as they like."""

_BODY_HEADERS = {b"content-length", b"transfer-encoding"}
_WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}
_END_OF_HEADERS = b"\r\n\r\n"


class Connections:
    """All connections of this process. `per_network` None lets each network have any number."""

    def __init__(self, networks: Networks, per_network: int | None, in_all: int | None = None) -> None:
        self._networks = networks
        self._per_network = per_network
        self._in_all = in_all or _as_many_as_files_allow()
        self._of: Counter[str] = Counter()
        self._open: set[BoundedProtocol | _Upgraded] = set()
        self._next_word = 0.0
        self.draining = False
        """Whether the server is about to stop: clients are told to connect anew, which leads them elsewhere."""

    def __len__(self) -> int:
        return len(self._open)

    def protocol(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None
    ) -> "BoundedProtocol":
        """What uvicorn calls for each connection."""
        return BoundedProtocol(self, config, server_state, app_state, _loop)

    def enter(self, connection: "BoundedProtocol", now: float) -> bool:
        """Whether there is room for one more; it has to `leave` if there was."""
        peer = connection.client[0] if connection.client else ""
        network = self._networks.of(peer)
        full = len(self._open) >= self._in_all
        limited = self._per_network is not None and network != UNKNOWN and not self._networks.trusts(peer)
        if full or (limited and self._of[network] >= (self._per_network or 0)):
            if now >= self._next_word:  # once a second: whoever connects too often must not fill the log too
                self._next_word = now + 1
                log.warning("there are too many connections%s", "" if full else f" from {network}")
            return False
        connection.network = network
        self._of[network] += 1
        self._open.add(connection)
        return True

    def replace(self, connection: "BoundedProtocol", place: "_Upgraded") -> None:
        """The connection goes on as something else."""
        if connection in self._open:
            self._open.remove(connection)
            self._open.add(place)

    def leave(self, connection: "BoundedProtocol | _Upgraded") -> None:
        if connection in self._open:
            self._open.remove(connection)
            self._of[connection.network] -= 1
            if not self._of[connection.network]:
                del self._of[connection.network]

    def end_overdue(self, now: float) -> None:
        """To be called about once a second."""
        for connection in tuple(self._open):
            connection.look(now)


def _as_many_as_files_allow() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files < 0 else max(16, min(MAX_CONNECTIONS, files - RESERVED_FILES))


class BoundedSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which goes on counting as a connection."""

    leave: Callable[[], None] = staticmethod(lambda: None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave()
        super().connection_lost(exc)


@dataclass(slots=True, eq=False)
class _Upgraded:
    """The place of a connection that became a WebSocket. How long it may be silent is the stream's business."""

    network: str
    transport: Any
    _abort_at: float = inf

    def look(self, now: float) -> None:
        if self.transport.is_closing():
            self._abort_at = min(self._abort_at, now + LEAVING_SECONDS)
            if self._abort_at <= now:
                self.transport.abort()


class _Flow(FlowControl):
    """uvicorn's, which resumes reading with each answer, unless it is held."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, which knows when it has waited long enough and when it has enough to do."""

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
        """When the client must have sent what it is sending, by the loop's clock."""
        self._header_bytes = self._upgrade_bytes = 0
        self._body_left = 0
        """Bytes of the body that are still to come, if the headers told how long it is."""
        self._waiting_bytes = 0
        self._unread = b""
        """What came after the last request for which there was room."""
        self._held_at = 0.0
        self._deaf = False
        """Whether nothing more is read: it ends with the answers that are under way."""
        self._leaving = False

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
            # The handshake would be given on to a protocol that waits for the body, and has no clock.
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
            place = _Upgraded(self.network, self.transport)
            upgraded.leave = lambda: self._all.leave(place)
            system = self.transport.get_extra_info("socket")
            system.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_SEND_BYTES)
            self._all.replace(self, place)

    def data_received(self, data: bytes) -> None:
        if self.flow.held:  # what was on its way when reading stopped
            self._unread += data
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Give the parser one request at a time, so that no more of them are made than may wait."""
        begin, end = 0, len(data)
        while begin < end and not (self._deaf or self.transport.is_closing()):
            if len(self.pipeline) >= MAX_PIPELINED or self._waiting_bytes > MAX_PIPELINED_BYTES:
                self._unread = data[begin:]
                self.flow.held, self._held_at = True, self.loop.time()
                self.flow.pause_reading()
                return
            if self._body_left:
                upto = begin + self._body_left
            else:  # headers, and bodies in chunks, end so
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
        elif self._between_requests():  # blank lines, which begin nothing and would end the keep-alive timer
            self.due = self.loop.time() + HEADER_SECONDS

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline:
            self._waiting_bytes = 0
            if self.flow.held and not self.transport.is_closing():
                self.flow.held = False
                self.due += self.loop.time() - self._held_at  # the client did not keep us waiting
                self.flow.resume_reading()
                unread, self._unread = self._unread, b""
                self._parse(unread)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for what is no HTTP."""
        self._refuse(400)

    def _refuse(self, status: int) -> None:
        """Say why the connection ends; where answers are under way, end it after them. A body that is broken gets this
        answer, unless its own has begun."""
        if not self._idle() and not self.cycle.more_body:
            self.cycle.keep_alive, self._deaf = False, True
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
        # What follows the body must not become a header of the request: proxies do not look at it.
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
        """Whether no answer is under way."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def look(self, now: float) -> None:
        """Close when it is time; cut off who then does not take the rest of the answer."""
        if not self.transport.is_closing():
            if self.due <= now and not self.flow.held:
                self.transport.close()
        elif not self._leaving:
            self._leaving, self.due = True, now + LEAVING_SECONDS
        elif self.due <= now:
            self.transport.abort()


def _content_length(headers: list[tuple[bytes, bytes]]) -> int:
    """0 if they do not say. The parser has refused what is no number, and what comes in chunks as well."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return 0
