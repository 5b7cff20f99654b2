"""The frames of the stream, both ways. `docs/asyncapi.json` is made of these."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from domain.notifications import Stream
from entrypoints.http.bodies import has_members_twice
from entrypoints.http.notifications.shapes import MAX_SEQ, Data, Unread

PROTOCOL = "waggle.v1"
MAX_FRAME = 4096
"""Bytes that a client may send in one."""

Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]


class Cursor(msgspec.Struct, forbid_unknown_fields=True):
    """Up to where a client has applied the stream."""

    epoch: Annotated[str, msgspec.Meta(max_length=64)]
    seq: Seq


class _In(msgspec.Struct, tag_field="op", forbid_unknown_fields=True):
    pass


class Hello(_In, tag="hello"):
    """The first frame. A ticket, unless the connection was made with a token; and where to go on."""

    ticket: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    resume: Cursor | None = None


class Resume(_In, tag="resume"):
    """Send again what comes after `seq`."""

    seq: Seq


class Read(_In, tag="read"):
    """What stands at `seq` or below has been read."""

    seq: Seq


class Reauth(_In, tag="reauth"):
    """Go on for as long as the token is good that this ticket was asked for with."""

    ticket: Annotated[str, msgspec.Meta(max_length=64)]


class ClientPing(_In, tag="ping"):
    """Answered by a pong."""


class ClientPong(_In, tag="pong"):
    """The answer to a ping; any other frame is one as well."""


Inbound: TypeAlias = Hello | Resume | Read | Reauth | ClientPing | ClientPong
_DECODER: msgspec.json.Decoder[Inbound] = msgspec.json.Decoder(Inbound)


def decode(frame: str) -> Inbound:
    """Raises msgspec.DecodeError."""
    try:
        decoded = _DECODER.decode(frame)
        twice = has_members_twice(frame)
    except RecursionError:
        raise msgspec.DecodeError("this is nested too deeply") from None
    if twice:
        raise msgspec.ValidationError("a member is there twice")
    return decoded


class _Out(msgspec.Struct, tag_field="op"):
    pass


class Ready(_Out, tag="ready"):
    """The first frame. What follows comes after `seq`; if not `recovered`, what came before has to be listed."""

    recovered: bool
    epoch: str
    seq: int
    floor: int
    """What stands below is not kept."""
    read: int
    unread: Unread
    heartbeat_s: int

    @classmethod
    def of(cls, stream: Stream, seq: int, *, recovered: bool) -> "Ready":
        return cls(
            recovered, stream.epoch, seq, stream.floor, stream.read, Unread.of(stream), HEARTBEAT_SECONDS
        )


class Event(_Out, tag="event"):
    """The next entry of the stream. `type` is a notification's, or `read`, `removed` or `void`, and tells what `data`
    holds."""

    seq: int
    id: str
    type: str
    at: str
    data: Data
    unread: Unread
    """As of when this was sent."""


class Live(_Out, tag="live"):
    """All that was there has been sent, up to `seq`; what follows comes as it happens."""

    seq: int


class Hint(_Out, tag="hint"):
    """Something that may get lost: new posts in the home feed."""

    hint: Literal["home"]


class Ping(_Out, tag="ping"):
    """To be answered within ten seconds, by any frame."""


class Pong(_Out, tag="pong"):
    pass


class ReauthSoon(_Out, tag="reauth"):
    """The token ends in so many seconds: send a new ticket before."""

    in_s: int


class Bye(_Out, tag="bye"):
    """The server will close. Come again after so many milliseconds."""

    retry_ms: int


class Error(_Out, tag="error"):
    """The last frame was of no use."""

    code: str
    detail: str


Outbound: TypeAlias = Ready | Event | Live | Hint | Ping | Pong | ReauthSoon | Bye | Error
_ENCODER = msgspec.json.Encoder()
HEARTBEAT_SECONDS = 25


def encode(frame: Outbound) -> bytes:
    return _ENCODER.encode(frame)


def encode_text(frame: Any) -> str:
    """As text, which is what a WebSocket carries."""
    return encode(frame).decode()
