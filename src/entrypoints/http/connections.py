"""Connections: how long a client may take to say what it wants, and how many it may hold.

uvicorn waits for ever for the rest of a header or of a body. One clock for all connections, looked at
once a second, costs a request two numbers; a timer of its own for each would cost as much as routing.
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
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from entrypoints.http.network import UNKNOWN, Networks

log = logging.getLogger(__name__)

HEADER_SECONDS = 10.0
"""From the beginning of a connection, or of a further request on it, to the end of the headers."""
BODY_SECONDS = 10.0
"""From the end of the headers to the end of the body, and as long again for each that follows of..."""
BYTES_PER_SECOND = 32 * 1024
"""...this much a second: what is large may take longer, what drips may not."""
LEAVING_SECONDS = 10.0
"""For a client to take the rest of its answer, once the server has closed."""
MAX_HEADER_BYTES = 128 * 1024
"""The request line and headers. The parser has no limit of its own."""
MAX_CONNECTIONS = 10_000
RESERVED_FILES = 256
"""File descriptors that are left for the store, logs and uploads."""
SOCKET_SEND_BYTES = 128 * 1024
"""What the system keeps of what a WebSocket's client has not taken. By itself it grows to megabytes of each, and one
that reads nothing is noticed only when it is full."""
MAX_PER_NETWORK = 100
"""Connections of one network at once. A browser opens six; trusted proxies may have as many as they like."""

_BODY_HEADERS = {b"content-length", b"transfer-encoding"}
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n"
)
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connections:
    """All connections of this process. `per_network` None lets each network have any number."""

    def __init__(self, networks: Networks, per_network: int | None, in_all: int | None = None) -> None:
        self._networks = networks
        self._per_network = per_network
        self._in_all = in_all or _as_many_as_files_allow()
        self._of: Counter[str] = Counter()
        self._open: set[BoundedProtocol | _Upgraded] = set()
        self._next_word = 0.0

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
        network = self._networks.of({"client": (peer, 0), "headers": ()})
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


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, which knows when it has waited long enough."""

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
        self._header_bytes = 0
        self._leaving = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        now = self.loop.time()
        if self._all.enter(self, now):
            self.due = now + HEADER_SECONDS
        else:
            transport.write(_BUSY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        if any(name in _BODY_HEADERS for name, _ in self.headers):
            # The handshake would be given on to a protocol that waits for the body, and has no clock.
            self.send_400_response("An upgrade has no body.")
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
        if self.transport.is_closing():
            return
        self._header_bytes += len(data)
        super().data_received(data)
        if self.due != inf:
            if self._header_bytes > MAX_HEADER_BYTES:
                if self._idle():
                    self.transport.write(_TOO_LARGE)
                self.transport.close()
        elif self._between_requests():  # blank lines, which begin nothing and would end the keep-alive timer
            self.due = self.loop.time() + HEADER_SECONDS

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        if self.due == inf:
            self.due = self.loop.time() + HEADER_SECONDS

    def on_headers_complete(self) -> None:
        self._header_bytes = 0
        self.due = self.loop.time() + BODY_SECONDS
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._header_bytes = 0
        self.due += len(body) / BYTES_PER_SECOND
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._header_bytes = 0
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
            if self.due <= now:
                self.transport.close()
        elif not self._leaving:
            self._leaving, self.due = True, now + LEAVING_SECONDS
        elif self.due <= now:
            self.transport.abort()
