"""The services that a stream session is made with."""

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from application.notifications.hub import Hub
from application.notifications.read_stream import OpenStream, ReadCoalesced
from application.shared.ports import Clock
from domain.shared import SessionId, UserId
from entrypoints.http.fragments import Fragments
from entrypoints.http.notifications.stream.at_once import Pushes
from entrypoints.http.notifications.stream.frames import Outbound


class StreamGrant(NamedTuple):
    """The user and the session of a client, and the time until which the stream is open."""

    user: UserId
    session: SessionId
    until: datetime


class StreamMeter(Protocol):
    """The counters of streams."""

    open: Counter[str]
    closed: Counter[int]
    frames: Counter[str]

    @property
    def delays(self) -> "Delays": ...


class Delays(Protocol):
    def observe(self, value: float, /) -> None: ...


class SendFrame(Protocol):
    """Sends frames to the client."""

    async def __call__(self, frame: Outbound) -> None:
        """Returns when the network has accepted the frame, or has buffered it. Raises OSError when the client is
        gone."""
        ...


class FrameTraces(Protocol):
    def frame(self, parent: str) -> AbstractContextManager[None]:
        """The span of a frame in the trace `parent`, a `traceparent`."""
        ...


@dataclass(frozen=True, slots=True)
class StreamServices:
    """The use cases that every stream needs."""

    hub: Hub
    open: OpenStream
    read_coalesced: ReadCoalesced
    pushes: Pushes
    now: Clock
    fragments: Fragments
    meter: StreamMeter
    traces: FrameTraces | None = None
