"""The model of a stream behind a real socket: a server that can be told to have faults."""

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

from tests.unit.reference_stream import Json, Model


@dataclass
class StreamServer:
    model: Model = field(default_factory=Model)
    port: int = 0
    connections: int = 0
    tokens: list[str] = field(default_factory=list)
    """What each connection came with."""
    reads: list[int] = field(default_factory=list)
    """Where clients said that they have read."""
    refuse: list[HTTPStatus] = field(default_factory=list)
    """How the next ones that come are refused before there is a socket."""
    damage: Callable[[Json], int] = lambda _: 1
    """How often a frame is sent."""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def tell(self, number: int = 1) -> None:
        async with self._news:
            for _ in range(number):
                self.model.tell("like")
            self._news.notify_all()

    async def close_all(self, code: int) -> None:
        assert self._server is not None
        for connection in list(self._server.connections):
            await connection.close(code)

    async def send_all(self, frame: Json) -> None:
        assert self._server is not None
        for connection in list(self._server.connections):
            await connection.send(json.dumps(frame))

    def cut_all(self) -> None:
        """As when the cable is pulled and put in again."""
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
                async with self._news:
                    await self._news.wait_for(lambda: self.model.head > cursor[0])

    async def _send_after(self, socket: ServerConnection, cursor: list[int]) -> None:
        for frame in list(self.model.after(cursor[0])):
            cursor[0] = frame["seq"]
            for _ in range(self.damage(frame)):
                await socket.send(json.dumps(frame))

    async def _listen(self, socket: ServerConnection, cursor: list[int]) -> None:
        with suppress(ConnectionClosed):
            async for text in socket:
                frame = json.loads(text)
                match frame["op"]:
                    case "resume":
                        async with self._news:
                            cursor[0] = frame["seq"]
                            self._news.notify_all()
                    case "read":
                        self.reads.append(frame["seq"])

    def _answer(self, socket: ServerConnection, request: Request) -> Response | None:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if self.refuse:
            return socket.respond(self.refuse.pop(0), "")
        if request.path.startswith("/api/v1/stream"):
            self.tokens.append(token)
            return None
        cursor = parse_qs(urlsplit(request.path).query).get("cursor", [None])[0]
        return socket.respond(HTTPStatus.OK, json.dumps(self.model.page(cursor)))


@asynccontextmanager
async def a_stream_server() -> AsyncIterator[StreamServer]:
    told = StreamServer()
    async with serve(
        told._serve,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("waggle.v1")],
        process_request=told._answer,
        ping_interval=None,
        close_timeout=1,
    ) as server:
        told._server = server
        told.port = next(iter(server.sockets)).getsockname()[1]
        yield told
