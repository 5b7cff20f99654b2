"""The stream over a WebSocket: connects, follows, and connects again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from waggle_client import protocol
from waggle_client.asking import Ask, Refused, ask
from waggle_client.notifications import Event, Notifications
from waggle_client.protocol import SUBPROTOCOL, Broken, Following, Hint, Live, MustList, MustReauth, Send

PATIENCE = 10.0
"""Seconds for a connection, an answer, and a heartbeat that is late."""
_CODES = {401: 4401, 403: 4403, 408: None, 425: None, 429: 4029}
"""What a refusal by HTTP means, in codes of the stream. Other 4xx are for good, 5xx for now."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The state was read anew, because the server cannot tell what was missed: show all of it again."""


Happening: TypeAlias = Event | Listed | Live | Hint


@dataclass
class Stream:
    """An iterator without an end over what happens to a user, each entry once and in order.

        async with Stream("https://waggle.example", token) as stream:
            async for happening in stream:
                show(stream.state)

    `token` is asked for each connection, and gives an access token that is good for two minutes at least; what it
    raises ends the iteration, and so does Ended. Whatever else happens is tried again for ever. An event has been
    applied to `state` when it comes out. To go on later, keep the state and give it to a new Stream.
    """

    url: str
    """Where the API is, without a path: http or https."""
    token: Callable[[], Awaitable[str]]
    state: Notifications = field(default_factory=Notifications)
    ask: Ask = ask
    following: Following = field(init=False)
    _socket: ClientConnection | None = field(default=None, init=False)
    _read: int = field(default=0, init=False)
    """Up to where the user has read, as long as the server was not told."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"{self.url} is neither http nor https")
        self.url = self.url.rstrip("/")
        self.following = Following(self.state)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Happening:
        while True:
            try:
                socket = self._socket or await self._connect()
                async with asyncio.timeout(self.following.heartbeat + PATIENCE):
                    text = await socket.recv()
                happening = await self._follow(socket, text)
            except (ConnectionClosed, InvalidStatus, Refused, Broken, WebSocketException, OSError) as error:
                await self.close()
                await asyncio.sleep(self.following.closed(_code(error), random.random()))  # noqa: S311
            else:
                if happening is not None:
                    return happening

    async def mark_read(self, seq: int) -> None:
        """All up to `seq`, at the latest when there is a connection again. It never goes back."""
        self._read = max(self._read, seq)
        if self._socket is not None and self.following.connected:
            try:
                await self._tell_read(self._socket)
            except ConnectionClosed:  # the iteration will find it so, and tell it on the next
                return

    async def close(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                await socket.close()
            finally:
                socket.transport.abort()  # who was cancelled does not wait for the other side

    async def _connect(self) -> ClientConnection:
        token = await self.token()
        self._socket = await connect(
            f"ws{self.url.removeprefix('http')}/api/v1/stream",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            open_timeout=PATIENCE,
            close_timeout=1,
            ping_interval=None,  # the protocol has a heartbeat of its own
        )
        await self._socket.send(self.following.hello())
        return self._socket

    async def _follow(self, socket: ClientConnection, text: str | bytes) -> Happening | None:
        match self.following.receive(text):
            case Send(frame):
                await socket.send(frame)
            case MustReauth():
                ticket = await self.ask("POST", f"{self.url}/api/v1/stream/ticket", await self.token())
                await socket.send(protocol.reauth(ticket["ticket"]))
            case MustList():  # what comes meanwhile waits in the socket
                page = await self.ask("GET", f"{self.url}/api/v1/notifications", await self.token())
                self.following.listed(page)
                return Listed()
            case Live() as live:
                await self._tell_read(socket)
                return live
            case Event() | Hint() as happening:
                return happening
        return None

    async def _tell_read(self, socket: ClientConnection) -> None:
        if self._read > self.state.read:
            await socket.send(protocol.read(self._read))


def _code(error: Exception) -> int | None:
    match error:
        case ConnectionClosed(rcvd=close) if close is not None:
            return close.code
        case InvalidStatus():
            status = error.response.status_code
        case Refused():
            status = error.status
        case _:
            return None
    return _CODES.get(status, 4400) if 400 <= status < 500 else None
