"""The stream over a WebSocket: connects, applies events, and connects again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from waggle_client.http import JsonRequest, RequestFailed, request_json
from waggle_client.notifications import Notifications, StreamEvent
from waggle_client.protocol import (
    SUBPROTOCOL,
    ListRequired,
    Live,
    ProtocolError,
    ReauthRequired,
    SendFrame,
    StreamHint,
    StreamProtocol,
    read,
    reauth,
)

TIMEOUT = 10.0
"""Seconds for a connection, for an answer, and for a heartbeat that is late."""
_CODES = {401: 4401, 403: 4403, 408: None, 425: None, 429: 4029}
"""HTTP statuses as close codes of the stream. Other 4xx statuses are final, 5xx statuses are temporary."""


@dataclass(frozen=True, slots=True)
class ListReloaded:
    """The whole list was read again, because the server could not tell what was missed. Show all of it anew."""


StreamItem: TypeAlias = StreamEvent | ListReloaded | Live | StreamHint


@dataclass
class Stream:
    """An endless iterator over the stream of a user: each event once and in order.

        async with Stream("https://waggle.example", token) as stream:
            async for item in stream:
                show(stream.state)

    `token` is called for each connection and returns an access token that is valid for at least two minutes. The
    iteration ends with what `token` raises, and with StreamEnded. Every other failure is retried without a limit.

    An event has been applied to `state` before it is returned. To continue later, keep the state and pass it to a new
    Stream.
    """

    url: str
    """The server, without a path: http or https."""
    token: Callable[[], Awaitable[str]]
    state: Notifications = field(default_factory=Notifications)
    request: JsonRequest = request_json
    protocol: StreamProtocol = field(init=False)
    _socket: ClientConnection | None = field(default=None, init=False)
    _read: int = field(default=0, init=False)
    """The highest number that the user has read, until the server knows it."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{self.url} is neither http nor https")
        self.url = self.url.rstrip("/")
        self.protocol = StreamProtocol(self.state)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamItem:
        while True:
            try:
                socket = self._socket or await self._connect()
                async with asyncio.timeout(self.protocol.heartbeat + TIMEOUT):
                    text = await socket.recv()
                item = await self._process(socket, text)
            except (
                ConnectionClosed,
                InvalidStatus,
                OSError,
                ProtocolError,
                RequestFailed,
                WebSocketException,
            ) as error:
                await self.close()
                await asyncio.sleep(self.protocol.closed(_code(error), random.random()))  # noqa: S311
            else:
                if item is not None:
                    return item

    async def mark_read(self, seq: int) -> None:
        """Mark everything up to `seq` as read, at once or with the next connection. The marker never moves back."""
        self._read = max(self._read, seq)
        if self._socket is not None and self.protocol.connected:
            try:
                await self._send_read(self._socket)
            except ConnectionClosed:  # the iteration notices it, and sends the marker on the next connection
                return

    async def close(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                await socket.close()
            finally:
                socket.transport.abort()  # a cancelled task does not wait for the other side

    async def _connect(self) -> ClientConnection:
        token = await self.token()
        self._socket = await connect(
            f"ws{self.url.removeprefix('http')}/api/v1/stream",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            open_timeout=TIMEOUT,
            close_timeout=1,
            ping_interval=None,  # the protocol has a heartbeat of its own
        )
        await self._socket.send(self.protocol.hello())
        return self._socket

    async def _process(self, socket: ClientConnection, text: str | bytes) -> StreamItem | None:
        match self.protocol.receive(text):
            case SendFrame(frame):
                await socket.send(frame)
            case ReauthRequired():
                ticket = await self.request("POST", f"{self.url}/api/v1/stream/ticket", await self.token())
                await socket.send(reauth(ticket["ticket"]))
            case ListRequired():  # frames that arrive meanwhile wait in the socket
                page = await self.request("GET", f"{self.url}/api/v1/notifications", await self.token())
                self.protocol.listed(page)
                return ListReloaded()
            case Live() as live:
                await self._send_read(socket)
                return live
            case StreamEvent() | StreamHint() as item:
                return item
        return None

    async def _send_read(self, socket: ClientConnection) -> None:
        if self._read > self.state.read:
            await socket.send(read(self._read))


def _code(error: Exception) -> int | None:
    match error:
        case ConnectionClosed(rcvd=close) if close is not None:
            return close.code
        case InvalidStatus():
            status = error.response.status_code
        case RequestFailed():
            status = error.status
        case _:
            return None
    return _CODES.get(status, 4400) if 400 <= status < 500 else None
