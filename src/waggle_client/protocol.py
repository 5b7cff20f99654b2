"""What a client of the stream does, without a socket: frames go in, and what follows from them comes out.

following = Following(state)
socket.send(following.hello())
for text in socket:
    match following.receive(text): ...
wait(following.closed(code, random()))  # and connect again
"""

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from waggle_client.notifications import Event, Gap, Json, Notifications

SUBPROTOCOL = "waggle.v1"
LEAST, MOST = 0.5, 30.0
"""Seconds between two tries."""
CROWDED = 60.0
"""Seconds to stay away when there are too many sockets, or too many frames."""
ASKS = 3
"""How often what is missing is asked for, before the connection is given up."""
_USELESS = frozenset({4007, 4013})
_FOR_GOOD = frozenset({4400, 4406})


class Ended(Exception):
    """To try again would not help: the server takes this client for broken, or for too old."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the stream was closed with {code}")
        self.code = code


class MustLogIn(Ended):
    """The session was ended, or the account suspended."""


class Broken(Exception):
    """The server said what makes no sense here. Close the connection, and connect again."""


@dataclass(frozen=True, slots=True)
class Send:
    frame: str


@dataclass(frozen=True, slots=True)
class Live:
    """What there was when the connection was made has been applied."""

    seq: int


@dataclass(frozen=True, slots=True)
class Hint:
    """Something that may be lost: `home` for new posts in the home feed."""

    hint: str


@dataclass(frozen=True, slots=True)
class MustList:
    """The server cannot tell what was missed. Ask for the first page, give it to `listed`, and go on."""


@dataclass(frozen=True, slots=True)
class MustReauth:
    """The token ends soon. Get a ticket with a new one, and send `reauth`."""


Step: TypeAlias = Send | Event | Live | Hint | MustList | MustReauth


@dataclass(slots=True)
class Following:
    """One user's stream on one device, over as many connections as it takes. Events are applied to `state` before
    they come out, so the state and its cursor are never apart."""

    state: Notifications = field(default_factory=Notifications)
    heartbeat: float = 25.0
    """Seconds in which the server says something at least."""
    _useless: bool = False
    """The server does not know our cursor."""
    _epoch: str = ""
    """Of the connection, once it is ready."""
    _listing: bool = False
    _seen: int = 0
    """The highest number since we asked for what is missing."""
    _asked: int = 0
    _tries: int = 0
    _bye: float | None = None

    def hello(self, ticket: str | None = None) -> str:
        """The first frame of a new connection."""
        self._epoch, self._listing = "", False
        self._seen = self._asked = 0
        frame: dict[str, Any] = {"op": "hello"}
        if ticket is not None:
            frame["ticket"] = ticket
        if self.state.epoch and not self._useless:
            frame["resume"] = {"epoch": self.state.epoch, "seq": self.state.seq}
        return json.dumps(frame)

    @property
    def connected(self) -> bool:
        """Whether the server is ready, so that frames may be sent."""
        return bool(self._epoch)

    def receive(self, text: str | bytes) -> Step | None:
        """What is to be done after this frame. An op that we do not know is one of a newer server."""
        try:
            return self._receive(json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise Broken(f"{error!r} in {text[:200]!r}") from error

    def listed(self, page: Json) -> None:
        """The first page of the list, asked for after `ready`."""
        self.state.start_again(page)
        self._useless = self._listing = False
        if page["epoch"] != self._epoch:
            raise Broken("history was rewritten between ready and the list")

    def closed(self, code: int | None, chance: float) -> float:
        """The connection is gone, with a code if the server gave one. Seconds to wait before the next, which
        `chance`, of 0 to 1, spreads. Raises Ended."""
        bye, self._bye = self._bye, None
        self._useless = self._useless or code in _USELESS
        if code == 4403:
            raise MustLogIn(code)
        if code in _FOR_GOOD:
            raise Ended(code)
        if bye is not None:
            return bye
        if code in {4009, 4029}:
            return CROWDED
        self._tries += 1
        if self._tries == 1 and (code == 4401 or code in _USELESS):
            return 0.0  # with a new token, or without the cursor, it will be taken
        most: float = min(MOST, LEAST * 4**self._tries)
        return LEAST + chance * (most - LEAST)

    def _receive(self, frame: Json) -> Step | None:
        step: Step | None = None
        match frame["op"]:
            case "ready":
                step = self._begin(frame)
            case "event":
                step = self._event(_event(frame))
            case "live":
                self._tries = 0
                step = Live(frame["seq"])
            case "hint":
                step = Hint(frame["hint"])
            case "ping":
                step = Send('{"op":"pong"}')
            case "reauth":
                step = MustReauth()
            case "bye":
                self._bye = frame["retry_ms"] / 1000
        return step

    def _begin(self, frame: Json) -> Step | None:
        self._epoch, self.heartbeat = frame["epoch"], frame["heartbeat_s"]
        if not frame["recovered"]:
            self._listing = True
            return MustList()
        if (frame["epoch"], frame["seq"]) != (self.state.epoch, self.state.seq):
            raise Broken(f"recovered from {frame['epoch']}:{frame['seq']}, which is not where we are")
        self.state.keep_from(frame["floor"])
        self.state.unread = frame["unread"]
        return None

    def _event(self, event: Event) -> Step | None:
        if not self._epoch or self._listing:
            raise Broken("an event before its time")
        try:
            new = self.state.apply(event)
        except Gap:
            return self._ask(event.seq)
        if new:
            self._asked = 0
        return event if new else None

    def _ask(self, seq: int) -> Step | None:
        """Ask for what is missing, once; and again if the stream went back, and not far enough."""
        back, self._seen = seq <= self._seen, max(seq, self._seen)
        if self._asked and not back:
            return None
        if self._asked == ASKS:
            raise Broken(f"{self.state.seq + 1} does not come")
        self._asked += 1
        self._seen = seq
        return Send(json.dumps({"op": "resume", "seq": self.state.seq}))


def _event(frame: Json) -> Event:
    return Event(frame["seq"], frame["type"], frame["id"], frame["at"], frame["data"], frame["unread"])


def read(seq: int) -> str:
    return json.dumps({"op": "read", "seq": seq})


def reauth(ticket: str) -> str:
    return json.dumps({"op": "reauth", "ticket": ticket})
