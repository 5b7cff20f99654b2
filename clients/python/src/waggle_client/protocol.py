"""The logic of a stream client without a socket: frames go in, actions come out.

protocol = StreamProtocol(state)
socket.send(protocol.hello())
for text in socket:
    match protocol.receive(text): ...
wait(protocol.closed(code, random()))  # and connect again
"""

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from waggle_client.notifications import Json, MissingEvent, Notifications, StreamEvent

SUBPROTOCOL = "waggle.v1"
MIN_PAUSE, MAX_PAUSE = 0.5, 30.0
"""Seconds between two attempts to connect."""
OVERLOAD_PAUSE = 60.0
"""Seconds to wait after the server refused too many connections, or too many frames."""
MAX_RESUME_REQUESTS = 3
"""The number of times that missing events are requested on a connection before it is given up."""
_CURSOR_REJECTED = frozenset({4007, 4013})
_FATAL = frozenset({4400, 4406})


class StreamEnded(Exception):
    """Another attempt would not help: this client has a bug, or is too old for the server."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the stream was closed with {code}")
        self.code = code


class LoginRequired(StreamEnded):
    """The session was ended, or the account was suspended."""


class ProtocolError(Exception):
    """The server sent something that is not valid at this point. Close the connection, and connect again."""


@dataclass(frozen=True, slots=True)
class SendFrame:
    frame: str


@dataclass(frozen=True, slots=True)
class Live:
    """Everything that had happened when the connection was made has been applied."""

    seq: int


@dataclass(frozen=True, slots=True)
class StreamHint:
    """A hint, which may be lost: `home` means that there are new posts in the home feed."""

    hint: str


@dataclass(frozen=True, slots=True)
class ListRequired:
    """The server cannot tell what was missed. Request the first page of the list, pass it to `listed`, and continue."""


@dataclass(frozen=True, slots=True)
class ReauthRequired:
    """The token ends soon. Get a ticket with a new token, and send `reauth`."""


Action: TypeAlias = SendFrame | StreamEvent | Live | StreamHint | ListRequired | ReauthRequired


@dataclass(slots=True)
class StreamProtocol:
    """The stream of one user on one device, over any number of connections.

    An event is applied to `state` before it is returned, so the state always agrees with its cursor.
    """

    state: Notifications = field(default_factory=Notifications)
    heartbeat: float = 25.0
    """Seconds. The server sends something at least that often."""
    _cursor_rejected: bool = False
    """Whether the server does not know our cursor."""
    _epoch: str = ""
    """The epoch of the connection; empty before `ready`."""
    _listing: bool = False
    _highest_seen: int = 0
    """The highest number since missing events were requested."""
    _resume_requests: int = 0
    _attempts: int = 0
    """Attempts to connect since the last `live`."""
    _retry_after: float | None = None
    """Seconds, from `bye`."""

    def hello(self, ticket: str | None = None) -> str:
        """The first frame of a new connection."""
        self._epoch, self._listing = "", False
        self._highest_seen = self._resume_requests = 0
        frame: dict[str, Any] = {"op": "hello"}
        if ticket is not None:
            frame["ticket"] = ticket
        if self.state.epoch and not self._cursor_rejected:
            frame["resume"] = {"epoch": self.state.epoch, "seq": self.state.seq}
        return json.dumps(frame)

    @property
    def connected(self) -> bool:
        """Whether the server has sent `ready`, so that frames may be sent."""
        return bool(self._epoch)

    def receive(self, text: str | bytes) -> Action | None:
        """Process a frame. Unknown ops belong to newer servers and are ignored. Raises ProtocolError."""
        try:
            return self._receive(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise ProtocolError(f"{error!r} in {text[:200]!r}") from error

    def listed(self, page: Json) -> None:
        """Take the first page of the list, requested after `ready`. Raises ProtocolError if its epoch is another one."""
        self.state.start_again(page)
        self._cursor_rejected = self._listing = False
        if page["epoch"] != self._epoch:
            raise ProtocolError("the epoch changed between ready and the list")

    def closed(self, code: int | None, jitter: float) -> float:
        """Process the end of a connection; `code` is None if the server sent none.

        Returns the seconds to wait before the next attempt. `jitter` between 0 and 1 spreads them. Raises StreamEnded.
        """
        retry_after, self._retry_after = self._retry_after, None
        self._cursor_rejected = self._cursor_rejected or code in _CURSOR_REJECTED
        if code == 4403:
            raise LoginRequired(code)
        if code in _FATAL:
            raise StreamEnded(code)
        if retry_after is not None:
            return retry_after
        if code in {4009, 4029}:
            return OVERLOAD_PAUSE
        self._attempts += 1
        if self._attempts == 1 and (code == 4401 or code in _CURSOR_REJECTED):
            return 0.0  # the next attempt succeeds with a new token, or without the cursor
        longest: float = min(MAX_PAUSE, MIN_PAUSE * 4**self._attempts)
        return MIN_PAUSE + jitter * (longest - MIN_PAUSE)

    def _receive(self, frame: Json) -> Action | None:
        action: Action | None = None
        match frame["op"]:
            case "ready":
                action = self._ready(frame)
            case "event":
                action = self._apply(_event(frame))
            case "live":
                self._attempts = 0
                action = Live(frame["seq"])
            case "hint":
                action = StreamHint(frame["hint"])
            case "ping":
                action = SendFrame('{"op":"pong"}')
            case "reauth":
                action = ReauthRequired()
            case "bye":
                self._retry_after = frame["retry_ms"] / 1000
        return action

    def _ready(self, frame: Json) -> Action | None:
        self._epoch, self.heartbeat = frame["epoch"], frame["heartbeat_s"]
        if not frame["recovered"]:
            self._listing = True
            return ListRequired()
        if (frame["epoch"], frame["seq"]) != (self.state.epoch, self.state.seq):
            raise ProtocolError(
                f"recovered from {frame['epoch']}:{frame['seq']}, which is not the cursor that was sent"
            )
        self.state.keep_from(frame["floor"])
        self.state.unread = frame["unread"]
        return None

    def _apply(self, event: StreamEvent) -> Action | None:
        if not self._epoch or self._listing:
            raise ProtocolError("an event before ready, or before the list")
        try:
            new = self.state.apply(event)
        except MissingEvent:
            return self._request_missing(event.seq)
        if new:
            self._resume_requests = 0
        return event if new else None

    def _request_missing(self, seq: int) -> Action | None:
        """Request what is missing once; and again if the stream went back, but not far enough."""
        went_back, self._highest_seen = seq <= self._highest_seen, max(seq, self._highest_seen)
        if self._resume_requests and not went_back:
            return None
        if self._resume_requests == MAX_RESUME_REQUESTS:
            raise ProtocolError(f"{self.state.seq + 1} does not arrive")
        self._resume_requests += 1
        self._highest_seen = seq
        return SendFrame(json.dumps({"op": "resume", "seq": self.state.seq}))


def _event(frame: Json) -> StreamEvent:
    return StreamEvent(frame["seq"], frame["type"], frame["id"], frame["at"], frame["data"], frame["unread"])


def read(seq: int) -> str:
    """The frame that marks everything up to `seq` as read."""
    return json.dumps({"op": "read", "seq": seq})


def reauth(ticket: str) -> str:
    return json.dumps({"op": "reauth", "ticket": ticket})
