"""The frames of the stream in both directions. `docs/asyncapi.json` is generated from them."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from domain.notifications import Stream
from entrypoints.http.bodies import has_repeated_members
from entrypoints.http.notifications.shapes import MAX_SEQ, Data, Unread

PROTOCOL = "waggle.v1"
MAX_FRAME = 4096
"""Most bytes of a frame that a client sends."""

Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]


class Cursor(msgspec.Struct, forbid_unknown_fields=True):
    """The position up to which a client has applied the stream."""

    epoch: Annotated[str, msgspec.Meta(max_length=64)]
    seq: Seq


class _In(msgspec.Struct, tag_field="op", forbid_unknown_fields=True):
    pass


class Hello(_In, tag="hello"):
    """The first frame. Contains a ticket, unless the connection was opened with a token, and optionally where to
    continue."""

    ticket: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    resume: Cursor | None = None


class Resume(_In, tag="resume"):
    """Send the entries after `seq` again."""

    seq: Seq


class Read(_In, tag="read"):
    """Mark everything up to `seq` as read."""

    seq: Seq


class Reauth(_In, tag="reauth"):
    """Extend the stream to the lifetime of the access token with which this ticket was requested."""

    ticket: Annotated[str, msgspec.Meta(max_length=64)]


class ClientPing(_In, tag="ping"):
    """Requests a pong."""


class ClientPong(_In, tag="pong"):
    """The response to a ping. Any other frame counts as one, too."""


Inbound: TypeAlias = Hello | Resume | Read | Reauth | ClientPing | ClientPong
_DECODER: msgspec.json.Decoder[Inbound] = msgspec.json.Decoder(Inbound)


def decode(frame: str) -> Inbound:
    """Raises msgspec.DecodeError."""
    try:
        decoded = _DECODER.decode(frame)
        twice = has_repeated_members(frame)
    except RecursionError:
        raise msgspec.DecodeError("the frame is nested too deeply") from None
    if twice:
        raise msgspec.ValidationError("a member occurs twice")
    return decoded


class _Out(msgspec.Struct, tag_field="op"):
    pass


class Ready(_Out, tag="ready"):
    """The first frame. The entries after `seq` follow. If `recovered` is false, earlier notifications have to be
    listed."""

    recovered: bool
    epoch: str
    seq: int
    floor: int
    """Entries below this number are deleted."""
    read: int
    unread: Unread
    heartbeat_s: int

    @classmethod
    def of(cls, stream: Stream, seq: int, *, recovered: bool) -> "Ready":
        return cls(
            recovered, stream.epoch, seq, stream.floor, stream.read, Unread.of(stream), HEARTBEAT_SECONDS
        )


class Event(_Out, tag="event"):
    """The next entry of the stream. `type` is a kind of notification, or `read`, `removed` or `void`, and determines
    the form of `data`."""

    seq: int
    id: str
    type: str
    at: str
    data: Data
    unread: Unread
    """As of the time of sending."""


class Live(_Out, tag="live"):
    """All existing entries have been sent, up to `seq`. Later ones follow as they happen."""

    seq: int


class Hint(_Out, tag="hint"):
    """Something that may get lost: the home feed has new posts."""

    hint: Literal["home"]


class Ping(_Out, tag="ping"):
    """ReadyResponse it within ten seconds, with any frame."""


class Pong(_Out, tag="pong"):
    pass


class ReauthSoon(_Out, tag="reauth"):
    """The token expires in this many seconds. Send a new ticket before."""

    in_s: int


class Bye(_Out, tag="bye"):
    """The server is about to close the stream. Reconnect after this many milliseconds."""

    retry_ms: int


class Error(_Out, tag="error"):
    """The last frame was invalid."""

    code: str
    detail: str


Outbound: TypeAlias = Ready | Event | Live | Hint | Ping | Pong | ReauthSoon | Bye | Error
_ENCODER = msgspec.json.Encoder()
HEARTBEAT_SECONDS = 25


def encode(frame: Outbound) -> bytes:
    return _ENCODER.encode(frame)


def encode_text(frame: Any) -> str:
    """As text, for a WebSocket."""
    return encode(frame).decode()
