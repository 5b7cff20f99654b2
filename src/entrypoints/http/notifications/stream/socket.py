"""The stream over WebSocket. Plain ASGI: a handler of the framework takes twice the memory per socket."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import msgspec
from litestar.types import Receive, Scope, Send

from application.notifications.hub import TooManyListeners
from application.notifications.ports import StreamTicket
from application.notifications.read_stream import CursorAhead
from application.shared.errors import TokenInvalid
from application.shared.limits import RateLimited
from application.shared.log import log
from domain.notifications import Resume
from domain.shared import Unavailable, UserId
from entrypoints.access.authentication import Authenticator
from entrypoints.http.cors import Origins
from entrypoints.http.network import network_of
from entrypoints.http.notifications.stream import frames
from entrypoints.http.notifications.stream.frames import PROTOCOL, Outbound
from entrypoints.http.notifications.stream.services import StreamGrant, StreamServices
from entrypoints.http.notifications.stream.session import StreamClosed, StreamSession
from entrypoints.log_events import UnexpectedError

HELLO_SECONDS = 5.0
"""Time in which a client has to send `hello`."""
FRAMES, FRAMES_SECONDS = 60, 60.0
"""Most frames that a client may send in this many seconds."""
MAX_INVALID_FRAMES = 5
"""The connection is closed at this many invalid frames."""
MAX_REASON = 100
"""Characters. The reason of a WebSocket close must fit into 123 bytes."""

MarkRead: TypeAlias = Callable[[UserId, int], Awaitable[object]]
Redeem: TypeAlias = Callable[[str], Awaitable[StreamTicket]]


class StreamSocket:
    """The ASGI application of the stream's path, for WebSockets."""

    def __init__(
        self,
        streams: StreamServices,
        *,
        origins: Origins,
        admit: Authenticator,
        redeem: Redeem,
        mark_read: MarkRead,
        per_network: int | None,
    ) -> None:
        """If `per_network` is None, sockets per network are not limited."""
        self.streams, self.origins = streams, origins
        self._per_network, self._of = per_network, Counter[str]()
        self.admit, self.redeem, self.mark_read = admit, redeem, mark_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        if not self.origins.allow(scope["headers"]):  # type: ignore[arg-type]
            await send(
                {"type": "websocket.close", "code": 4403, "reason": ""}
            )  # before it is accepted, hence 403
            return
        network = network_of(scope)
        full = self._per_network is not None and self._of[network] >= self._per_network
        self._of[network] += 1
        try:
            await _SocketConnection(self, scope, receive, send).run(full=full)
        finally:
            self._of[network] -= 1
            if not self._of[network]:
                del self._of[network]


async def _opened(session: StreamSession, resume: Resume | None) -> None:
    try:
        await session.open(resume)
    except CursorAhead as error:
        raise StreamClosed(4007, str(error)) from None
    except Unavailable:
        raise StreamClosed(4014, "the database is unavailable") from None


class _SocketConnection:
    """One connection."""

    __slots__ = (
        "_app",
        "_counted",
        "_counted_at",
        "_invalid_frames",
        "_receive",
        "_scope",
        "_send",
        "_session",
    )

    def __init__(self, app: StreamSocket, scope: Scope, receive: Any, send: Any) -> None:
        self._app, self._scope, self._receive, self._send = app, scope, receive, send
        self._counted, self._counted_at, self._invalid_frames = 0, 0.0, 0
        self._session: StreamSession | None = None

    async def run(self, *, full: bool) -> None:
        offered: list[str] = [*self._scope.get("subprotocols", ())]  # type: ignore[misc]
        # A browser that gets none of the subprotocols that it offered closes the connection before it learns the
        # reason.
        chosen = PROTOCOL if PROTOCOL in offered else next(iter(offered), None)
        await self._send({"type": "websocket.accept", "subprotocol": chosen})
        if chosen != PROTOCOL:
            await self._close(4406, f"the subprotocol must be {PROTOCOL}")
            return
        if self._scope["query_string"]:  # URLs are logged on the way, so they must not contain secrets
            await self._close(4400, "the stream accepts no query parameters")
            return
        if full:
            await self._close(4009, "your network has too many sockets")
            return
        try:
            admitted, resume = await self._admitted()
            await self._serve(admitted, resume)
        except StreamClosed as closed:
            await self._close(closed.code, closed.reason)
        except OSError:
            pass  # the client is gone
        except Exception as error:  # noqa: BLE001 - the client is told, whatever it was
            log(UnexpectedError(error_type=type(error).__name__, part="a stream"), error)
            await self._close(4000, "unexpected error")

    async def _close(self, code: int, reason: str) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):  # do not wait for a network that accepts nothing
                await self._send_message(
                    {"type": "websocket.close", "code": code, "reason": reason[:MAX_REASON]}
                )

    async def _send_message(self, message: Any) -> None:
        """Raises OSError when the client is gone."""
        try:
            await self._send(message)
        except RuntimeError as error:  # the server has closed it: the frame was too long, or not text
            raise ConnectionResetError from error

    async def _admitted(self) -> tuple[StreamGrant, Resume | None]:
        """Authenticate by the token of the connection, or by the ticket in the first frame. Raises StreamClosed."""
        admitted = await self._by_token()
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                hello = self._decoded(await self._next())
        except TimeoutError:
            raise StreamClosed(4401, "no hello within five seconds") from None
        except msgspec.DecodeError:
            raise StreamClosed(4400, "the first frame must be a hello") from None
        if not isinstance(hello, frames.Hello):
            raise StreamClosed(4400, "the first frame must be a hello")
        if hello.ticket is not None:
            admitted = await self._by_ticket(hello.ticket)
        if admitted is None:
            raise StreamClosed(4401, "a token or a ticket is needed")
        resume = None if hello.resume is None else (hello.resume.epoch, hello.resume.seq)
        return admitted, resume

    async def _by_token(self) -> StreamGrant | None:
        headers: Any = self._scope["headers"]
        found = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
        token: str | None = None
        if found:
            scheme, _, token = found[0].partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise StreamClosed(4401, "the Authorization header must be: Bearer <access token>")
        try:
            principal = await self._app.admit(self._scope["caller"], token, "read")  # type: ignore[typeddict-item]
        except TokenInvalid as error:
            raise StreamClosed(4401, str(error)) from None
        except RateLimited as error:
            raise StreamClosed(4029, str(error)) from None
        except Unavailable:
            raise StreamClosed(4014, "the database is unavailable") from None
        if principal is None:
            return None
        return StreamGrant(principal.user_id, principal.session_id, principal.until)

    async def _by_ticket(self, secret: str) -> StreamGrant:
        try:
            return StreamGrant(*await self._app.redeem(secret))
        except TokenInvalid as error:
            raise StreamClosed(4401, str(error)) from None
        except Unavailable:
            raise StreamClosed(4014, "the database is unavailable") from None

    async def _serve(self, admitted: StreamGrant, resume: Resume | None) -> None:
        streams = self._app.streams
        try:
            listener = streams.hub.join(admitted.user, admitted.session)
        except TooManyListeners as error:
            raise StreamClosed(4009, str(error)) from None
        session = self._session = StreamSession(
            streams,
            listener,
            admitted,
            self._send_frame,
            answers_pings=True,
            write_frames=self._scope.get("write_frames"),  # type: ignore[arg-type]  # set by BoundedSocket
        )
        listening = asyncio.create_task(self._receive_frames(session))
        try:
            await _opened(session, resume)
            await session.run()
        finally:
            streams.hub.leave(listener)
            listening.cancel()
            await asyncio.wait([listening])

    async def _send_frame(self, frame: Outbound) -> None:
        await self._send_message({"type": "websocket.send", "text": frames.encode_text(frame)})

    async def _receive_frames(self, session: StreamSession) -> None:
        """Handle frames of the client until it is gone."""
        try:
            while True:
                message = await self._next()
                session.heard_at = asyncio.get_running_loop().time()
                self._count(session.heard_at)
                try:
                    await self._handle(session, self._decoded(message))
                except msgspec.DecodeError as error:
                    self._invalid_frames += 1
                    if self._invalid_frames >= MAX_INVALID_FRAMES:
                        raise StreamClosed(4400, "too many invalid frames") from None
                    await self._send_frame(frames.Error("frame_invalid", str(error)[:200]))
        except Exception as end:  # noqa: BLE001 - the session ends with it, whatever it is
            session.closing = end
        finally:
            session.listener.wake()

    async def _handle(self, session: StreamSession, frame: frames.Inbound) -> None:
        match frame:
            case frames.ClientPing():
                session.pongs += 1
                session.listener.wake()
            case frames.Resume(seq):
                session.rewind(seq)
            case frames.Read(seq):
                await self._mark_read(session, seq)
            case frames.Reauth(ticket):
                admitted = await self._by_ticket(ticket)
                if admitted.user != session.user:
                    raise StreamClosed(4401, "the ticket belongs to another user")
                session.listener.session = admitted.session
                session.extend_until(admitted.until)
                session.listener.wake()
            case frames.Hello():
                raise msgspec.ValidationError("only the first frame can be a hello")
            case frames.ClientPong():
                pass

    async def _mark_read(self, session: StreamSession, seq: int) -> None:
        try:
            await self._app.mark_read(session.user, seq)
        except Unavailable:
            await self._send_frame(
                frames.Error("unavailable", "the database is unavailable: send the frame again later")
            )

    async def _next(self) -> str | bytes:
        """The next frame. Raises OSError when the client is gone."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise ConnectionResetError
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    def _decoded(self, frame: str | bytes) -> frames.Inbound:
        """Raises msgspec.DecodeError. The server itself closes with 1009 if a frame is too long."""
        if isinstance(frame, bytes):
            raise msgspec.DecodeError("frames must be text")
        return frames.decode(frame)

    def _count(self, now: float) -> None:
        if now - self._counted_at >= FRAMES_SECONDS:
            self._counted, self._counted_at = 0, now
        self._counted += 1
        if self._counted > FRAMES:
            raise StreamClosed(4029, "too many frames")
