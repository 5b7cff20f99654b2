"""One connection without a network: its transport, and a server that answers."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from entrypoints.access.networks import Networks
from entrypoints.http.bounded_protocol import BoundedProtocol, bounded
from entrypoints.http.connections import Connections
from entrypoints.http.websockets import BoundedSocket

REQUEST = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = (
    b"GET /api/v1/stream HTTP/1.1\r\nHost: a\r\n%bUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class System:
    """The socket of a transport."""

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.1", 1

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.2", 80

    def setsockopt(self, *_: int) -> None:
        pass


class Wire:
    """A transport that records what is written, and whether the protocol reads."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.closed = False
        self.protocol: Any = None
        self.system = System()

    def get_protocol(self) -> Any:
        return self.protocol

    def get_extra_info(self, name: str, _default: Any = None) -> Any:
        return {"socket": self.system}.get(name)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        self.written += b"" if self.closed else data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Server:
    """Answers each request with its path, after `may` is set."""

    def __init__(self, per_network: int | None = None) -> None:
        self.may = asyncio.Event()
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        self.all = Connections(Networks(), per_network)
        self.wire = Wire()
        self.connection = self.connect(self.wire)

    def connect(self, wire: Wire) -> BoundedProtocol:
        config = Config(
            self.answer,
            interface="asgi3",
            ws=BoundedSocket,
            ws_ping_interval=None,
            proxy_headers=False,
            lifespan="off",
            log_config=None,
        )
        config.load()
        wire.protocol = bounded(self.all)(config, ServerState(), {}, asyncio.get_running_loop())
        wire.protocol.connection_made(wire)
        connection: BoundedProtocol = wire.protocol
        return connection

    async def answer(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        await self.may.wait()
        self.seen.append(scope["path"])
        body = b""
        if scope["method"] == "POST":
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
        self.bodies.append(body)
        answer = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    def receive(self, data: bytes) -> None:
        self.connection.data_received(data)

    async def idle(self) -> None:
        for _ in range(20_000):
            await asyncio.sleep(0)
            if not self.connection.pipeline and self.connection._idle():
                return
        raise AssertionError("the connection never becomes idle")


def statuses(wire: Wire) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 \d+ [A-Za-z ]+", wire.written)


def problem(wire: Wire) -> dict[str, Any]:
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/problem+json\r\n" in head
    assert b"\r\nconnection: close" in head
    assert b"content-security-policy: " in head
    found: dict[str, Any] = json.loads(body)
    assert f"x-request-id: {found['request_id']}".encode() in head
    return found
