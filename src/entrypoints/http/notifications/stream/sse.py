"""The stream as server-sent events, and the tickets that open it."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any, TypeAlias

from litestar import Controller, Response, get, post
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import Receive, Scope, Send

from application.notifications.hub import TooManyListeners
from application.notifications.ports import StreamTokens
from application.notifications.read_stream import CursorAhead
from application.notifications.tickets import LASTS, IssueTicket, RedeemStreamToken
from domain.notifications import Resume
from domain.shared import FieldError
from entrypoints.http.auth import BY_ADDRESS, AnyRequest, AuthenticatedRequest
from entrypoints.http.errors import NotAcceptable, QueryInvalid
from entrypoints.http.notifications.stream import frames
from entrypoints.http.notifications.stream.frames import Outbound
from entrypoints.http.notifications.stream.services import StreamGrant, StreamServices
from entrypoints.http.notifications.stream.session import EXPIRED, StreamClosed, StreamSession
from entrypoints.http.notifications.stream.temporary_errors import bye_event
from entrypoints.http.openapi import policy
from entrypoints.http.responses import Out, Ready, ReadyResponse

EVENTS = "text/event-stream"
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a buffering proxy would hold events back
]
LastEventId: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        max_length=100,
        description="The `id` of the last event that was received, `<epoch>:<seq>`. The stream continues after it.",
    ),
]


StreamToken: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name=BY_ADDRESS,
        max_length=100,
        description="A token that opens nothing but the stream, from `POST /api/v1/stream/address`. Not an access token.",
    ),
]


class StreamTicketOut(Out):
    """Opens the stream once."""

    ticket: str
    expires_in: int
    """Seconds."""


class StreamAddressOut(Out):
    """Opens the stream any number of times, until the session ends."""

    url: str


class StreamController(Controller):
    issue_ticket: IssueTicket
    stream_tokens: StreamTokens
    redeem_stream_token: RedeemStreamToken
    streams: StreamServices
    origin: str

    @post(
        "/stream/ticket",
        tags=["notifications"],
        operation_id="createStreamTicket",
        summary="Get a ticket for the stream",
        opt=policy("token"),
    )
    async def ticket(self, request: AuthenticatedRequest) -> StreamTicketOut:
        """For clients that cannot send headers with a WebSocket, such as browsers: send the ticket in the first frame.
        It can be used once, within 30 seconds. The stream lasts as long as the access token."""
        principal = request.user
        secret = await self.issue_ticket(principal.user_id, principal.session_id, principal.until)
        return StreamTicketOut(secret, int(LASTS.total_seconds()))

    @post(
        "/stream/address",
        tags=["notifications"],
        operation_id="createStreamAddress",
        summary="Get an address of the stream for EventSource",
        opt=policy("token"),
        status_code=200,
    )
    async def address(self, request: AuthenticatedRequest) -> StreamAddressOut:
        """For a browser's EventSource, which sends no headers and reconnects to the same address. The address
        contains a token that opens the stream of this session and nothing else, until the session ends. Do not log
        or share it."""
        token = self.stream_tokens.issue(request.user.user_id, request.user.session_id)
        return StreamAddressOut(f"{self.origin}/api/v1/stream?{BY_ADDRESS}={token}")

    @get(
        "/stream",
        tags=["notifications"],
        operation_id="openStream",
        summary="Open the stream",
        opt=policy("token", CursorAhead, TooManyListeners, NotAcceptable) | {BY_ADDRESS: True},
        media_type=EVENTS,
    )
    async def events(
        self, request: AnyRequest, last_event_id: LastEventId = None, token: StreamToken = None
    ) -> Response[Any]:
        """Server-sent events, if you send `Accept: text/event-stream`. The same address accepts a WebSocket with the
        subprotocol `waggle.v1`. `/api/asyncapi.json` describes the frames: the name of an event is their `op`, its `id`
        is `<epoch>:<seq>`. The stream ends when the access token expires; with `Last-Event-ID` the next one continues
        without gaps and without duplicates. Temporary errors (429, 500, 502, 503, 504) are answered with a stream that
        contains `retry:` and ends, since an EventSource would otherwise give up permanently."""
        admitted = await self._admitted(request, token)
        if EVENTS not in request.headers.get("accept", ""):
            raise NotAcceptable("the stream needs Accept: text/event-stream, or a WebSocket")
        listener = self.streams.hub.join(admitted.user, admitted.session)
        session = _EventStream(self.streams, listener, admitted)
        try:
            await session.open(_resume(last_event_id))
        except BaseException:
            self.streams.hub.leave(listener)
            raise
        return ReadyResponse(session)

    async def _admitted(self, request: AnyRequest, token: str | None) -> StreamGrant:
        principal = request.user
        if principal is None:
            return StreamGrant(*await self.redeem_stream_token(token or ""))
        if token is not None:
            raise QueryInvalid(
                FieldError(
                    f"?{BY_ADDRESS}", "ambiguous", "send the token in the address or in a header, not in both"
                )
            )
        return StreamGrant(principal.user_id, principal.session_id, principal.until)


def _resume(last_event_id: str | None) -> Resume | None:
    if not last_event_id:
        return None
    epoch, _, seq = last_event_id.rpartition(":")
    if not epoch or not (seq.isascii() and seq.isdigit() and len(seq) <= 15):
        raise QueryInvalid(
            FieldError("header:Last-Event-ID", "event_id_format", "an event id has the form <epoch>:<seq>")
        )
    return epoch, int(seq)


class _EventStream(Ready):
    """The response: an ASGI application that runs until one side ends it."""

    def __init__(self, streams: StreamServices, listener: Any, admitted: StreamGrant) -> None:
        super().__init__(200, [], b"")
        self._streams, self._listener = streams, listener
        self._session = StreamSession(streams, listener, admitted, self._send_frame, answers_pings=False)
        self._epoch = ""
        self._send: Send | None = None

    async def open(self, resume: Resume | None) -> None:
        """Raises the error that prevents the stream from being opened."""
        await self._session.open(resume)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        disconnected = asyncio.create_task(self._wait_for_end(receive))
        try:
            scope["drop_deadline"]()  # type: ignore[typeddict-item]  # set by the outermost middleware
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            if not scope.get("head"):
                await self._session.run()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            pass  # the client is gone
        except StreamClosed as closed:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    if closed.code == EXPIRED:
                        await self._send_frame(frames.Bye(0))
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._streams.hub.leave(self._listener)
            disconnected.cancel()

    async def _wait_for_end(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._session.closing = ConnectionResetError()
        self._listener.wake()

    async def _send_frame(self, frame: Outbound) -> None:
        if self._send is not None:
            await self._send({"type": "http.response.body", "body": self._event(frame), "more_body": True})

    def _event(self, frame: Outbound) -> bytes:
        if isinstance(frame, frames.Ping):
            return b": \n\n"  # keeps proxies from closing an idle connection
        if isinstance(frame, frames.Bye):
            return bye_event(frame.retry_ms)
        data = b"event: %b\ndata: %b\n\n" % (type(frame).__struct_config__.tag.encode(), frames.encode(frame))  # type: ignore[union-attr]
        if isinstance(frame, frames.Ready):
            self._epoch = frame.epoch
        if isinstance(frame, frames.Ready | frames.Event):
            return b"id: %b:%d\n%b" % (self._epoch.encode(), frame.seq, data)
        return data
