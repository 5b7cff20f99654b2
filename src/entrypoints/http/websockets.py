"""uvicorn's WebSocket, counted as a connection, and open to ready-made frames."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

LEAVING_SECONDS = 10.0
"""For a client to read the rest of its response after the server has closed the connection."""
SOCKET_SEND_BYTES = 128 * 1024
"""The socket buffer for data that the client of a WebSocket has not read. By default it grows to megabytes per socket,
and a client that reads nothing is noticed only when the buffer is full."""

_INVALID_DATA = 1007
"""The close code of a text that is not UTF-8."""


class BoundedSocket(WebSocketsSansIOProtocol):
    """The application finds `write_frames` in the scope."""

    leave: Callable[[], None] = staticmethod(lambda: None)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if (
            not self.close_sent
        ):  # the handshake was not refused; the application begins in the next turn of the loop
            self.scope["write_frames"] = self.write_frames  # type: ignore[typeddict-unknown-key]

    def write_frames(self, ready_made: bytes) -> bool:
        """Write whole frames, if the socket is open and its buffer is empty. Returns whether it did. Whatever the server
        sends itself goes through the same buffer, one whole frame at a time."""
        transport = self.transport
        if (
            not self.handshake_complete
            or self.close_sent
            or transport.is_closing()
            or transport.get_write_buffer_size()
        ):
            return False
        transport.write(ready_made)
        return True

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not _is_utf8(self.frames):
            # uvicorn would log an error with a stack for each such message, and anyone can send them.
            self.conn.send_close(_INVALID_DATA)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave()
        super().connection_lost(exc)


@dataclass(slots=True, eq=False)
class Upgraded:
    """A connection that became a WebSocket. The stream decides how long it may be silent."""

    network: str
    transport: Any
    _abort_at: float = inf

    def check_deadline(self, now: float) -> None:
        if self.transport.is_closing():
            self._abort_at = min(self._abort_at, now + LEAVING_SECONDS)
            if self._abort_at <= now:
                self.transport.abort()


def _is_utf8(parts: list[bytes]) -> bool:
    try:
        b"".join(parts).decode()
    except UnicodeDecodeError:
        return False
    return True
