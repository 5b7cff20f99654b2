"""Ready-made frames on the server's WebSocket: when it takes them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from entrypoints.http.websockets import BoundedSocket

FRAME = b"\x81\x02{}"
HANDSHAKE = (
    b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"
"""From a client: masked by zeros, code 1000."""


class Transport(asyncio.Transport):
    """Records what is written. `buffered` bytes have not been sent yet."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.written: list[bytes] = []
        self.buffered = 0
        self.closing = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Server:
    """One socket, whose application does what the test says."""

    def __init__(self) -> None:
        self.scope: Any = None
        self.send: Any = None
        self.started = asyncio.Event()
        self.end = asyncio.Event()
        config = uvicorn.Config(
            self.app, interface="asgi3", ws_ping_interval=None, ws_per_message_deflate=False, log_config=None
        )
        config.load()
        self.transport = Transport()
        self.socket = BoundedSocket(config, ServerState(), {})
        self.socket.connection_made(self.transport)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.scope, self.send = scope, send
        self.started.set()
        await self.end.wait()

    async def opened(self) -> Callable[[bytes], bool]:
        """`write_frames` of the accepted socket."""
        self.socket.data_received(HANDSHAKE)
        async with asyncio.timeout(5):
            await self.started.wait()
        await self.send({"type": "websocket.accept"})
        self.transport.written.clear()
        write: Callable[[bytes], bool] = self.scope["write_frames"]
        return write


async def test_an_open_socket_with_an_empty_buffer_takes_a_frame_between_those_of_the_server() -> None:
    server = Server()
    write = await server.opened()
    await server.send({"type": "websocket.send", "text": "1"})
    assert write(FRAME)
    await server.send({"type": "websocket.send", "text": "2"})
    server.end.set()
    assert server.transport.written == [b"\x81\x011", FRAME, b"\x81\x012"]


async def test_a_socket_that_was_not_accepted_takes_no_frame() -> None:
    server = Server()
    server.socket.data_received(HANDSHAKE)
    async with asyncio.timeout(5):
        await server.started.wait()
    taken = server.scope["write_frames"](FRAME)
    server.end.set()
    assert (taken, server.transport.written) == (False, [])


async def _fill(server: Server) -> None:
    server.transport.buffered = 1


async def _close(server: Server) -> None:
    await server.send({"type": "websocket.close", "code": 1000})


async def _closed_by_client(server: Server) -> None:
    server.socket.data_received(CLOSE)


async def _shut_down(server: Server) -> None:
    server.socket.shutdown()


@pytest.mark.parametrize("change", [_fill, _close, _closed_by_client, _shut_down])
async def test_a_full_or_closing_socket_takes_no_frame(change: Any) -> None:
    server = Server()
    write = await server.opened()
    await change(server)
    assert not write(FRAME)
    server.end.set()
    assert FRAME not in server.transport.written


async def test_a_refused_handshake_has_no_socket_to_write_to() -> None:
    server = Server()
    server.socket.data_received(HANDSHAKE.replace(b"Version: 13", b"Version: 1"))
    assert (server.scope, server.socket.write_frames(FRAME)) == (None, False)
    assert server.transport.written[0].startswith(b"HTTP/1.1 400")
