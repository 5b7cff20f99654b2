"""A reference stream behind a real socket, with faults on request."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.unit.reference_stream import Json, ReferenceStream


@dataclass
class StreamServer:
    model: ReferenceStream = field(default_factory=ReferenceStream)
    port: int = 0
    connections: int = 0
    tokens: list[str] = field(default_factory=list)
    """The token of each connection."""
    reads: list[int] = field(default_factory=list)
    """Read markers that clients sent."""
    refusals: list[HTTPStatus] = field(default_factory=list)
    """Refusals for the next connections, before a socket is opened."""
    copies_of: Callable[[Json], int] = lambda _: 1
    """The number of times that a frame is sent."""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def add_entries(self, number: int = 1) -> None:
        async with self._changed:
            for _ in range(number):
                self.model.add_entry("like")
            self._changed.notify_all()

    async def close_all(self, code: int) -> None:
        assert self._server is not None
        for connection in list(self._server.connections):
            await connection.close(code)

    async def send_all(self, frame: Json) -> None:
        assert self._server is not None
        for connection in list(self._server.connections):
            await connection.send(json.dumps(frame))

    def abort_all(self) -> None:
        """As if the cable were unplugged."""
        assert self._server is not None
        for connection in list(self._server.connections):
            connection.transport.abort()

    async def _serve(self, socket: ServerConnection) -> None:
        self.connections += 1
        ready = self.model.ready(str(await socket.recv()))
        if isinstance(ready, int):
            await socket.close(ready)
            return
        await socket.send(json.dumps(ready))
        cursor = [ready["seq"]]
        sending = asyncio.create_task(self._send(socket, cursor))
        try:
            await self._listen(socket, cursor)
        finally:
            sending.cancel()

    async def _send(self, socket: ServerConnection, cursor: list[int]) -> None:
        with suppress(ConnectionClosed):
            await self._send_after(socket, cursor)
            await socket.send(json.dumps({"op": "live", "seq": self.model.head}))
            while True:
                await self._send_after(socket, cursor)
                async with self._changed:
                    await self._changed.wait_for(lambda: self.model.head > cursor[0])

    async def _send_after(self, socket: ServerConnection, cursor: list[int]) -> None:
        for frame in list(self.model.after(cursor[0])):
            cursor[0] = frame["seq"]
            for _ in range(self.copies_of(frame)):
                await socket.send(json.dumps(frame))

    async def _listen(self, socket: ServerConnection, cursor: list[int]) -> None:
        with suppress(ConnectionClosed):
            async for text in socket:
                frame = json.loads(text)
                match frame["op"]:
                    case "resume":
                        async with self._changed:
                            cursor[0] = frame["seq"]
                            self._changed.notify_all()
                    case "read":
                        self.reads.append(frame["seq"])

    def _respond(self, socket: ServerConnection, request: Request) -> Response | None:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if self.refusals:
            return socket.respond(self.refusals.pop(0), "")
        if request.path.startswith("/api/v1/stream"):
            self.tokens.append(token)
            return None
        cursor = parse_qs(urlsplit(request.path).query).get("cursor", [None])[0]
        return socket.respond(HTTPStatus.OK, json.dumps(self.model.page(cursor)))


@asynccontextmanager
async def a_stream_server() -> AsyncIterator[StreamServer]:
    stream_server = StreamServer()
    async with serve(
        stream_server._serve,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("waggle.v1")],
        process_request=stream_server._respond,
        ping_interval=None,
        close_timeout=1,
    ) as server:
        stream_server._server = server
        stream_server.port = next(iter(server.sockets)).getsockname()[1]
        yield stream_server
