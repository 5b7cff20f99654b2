"""Frames that are written to WebSockets at once, while their sessions sleep.

An ordinary frame wakes the task of its session, sets two deadlines, and is checked and framed by the server for each
socket. But most sockets rest and have nothing in their buffer when a hint arrives. They get ready-made frames, the same
bytes for all. With 1,000 sockets, a hint takes 20 to 27 µs of CPU for each instead of 90, and an entry 60 to 90 instead of
145, where a bare server takes 17 to 25 (docs/performance.md). All other sockets take the ordinary way, and delay none.

A WebSocket frame is written in one piece here and by the server, so no frame can split another.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from application.notifications.hub import Listener
from application.notifications.hydration import HydratedEntry
from application.notifications.read_stream import AT_ONCE, StreamPage
from domain.notifications import Stream
from domain.shared import UserId
from entrypoints.http.notifications.stream import frames

MAX_BYTES = 32 * 1024
"""Most bytes that are written to a socket at once."""


class WriteFrames(Protocol):
    def __call__(self, ready_made: bytes, /) -> bool:
        """Write whole frames, if the transport is open and has nothing left to send. Returns whether it did."""
        ...


class ReadAfter(Protocol):
    def __call__(self, user: UserId, last: int, /) -> Awaitable[StreamPage]: ...


class Batch(NamedTuple):
    """The entries of a user after a number, for all sessions that have sent everything up to it."""

    after: int
    last: int
    epoch: str
    delays: Sequence[float]
    """For each entry, the seconds from its time to its frame."""
    frames: bytes
    """Empty if these entries have to be sent one by one."""


class RestingSession(Protocol):
    """A session that wants to get its next entries without waking up."""

    user: UserId
    listener: Listener

    def event(self, seen: HydratedEntry, stream: Stream, /) -> frames.Event: ...
    def delay(self, seen: HydratedEntry, /) -> float: ...
    def push(self, batch: Batch, /) -> bool: ...


def text_frame(text: bytes) -> bytes:
    """A whole text message as a server sends it: not masked, not compressed (RFC 6455, 5.2)."""
    size = len(text)
    if size < 126:
        return b"\x81%c%b" % (size, text)
    if size < 65536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), text)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), text)


HOME_HINT = text_frame(frames.encode(frames.Hint("home")))


class Pushes:
    """Reads and encodes new entries once for all resting sessions of a user that are at the same number, and writes them
    to each."""

    def __init__(self, read_after: ReadAfter) -> None:
        self._read_after = read_after
        self._waiting: dict[tuple[UserId, int], list[RestingSession]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, session: RestingSession) -> bool:
        """Push the next entries to this session. Should that fail, it is woken. Returns True."""
        key = session.user, session.listener.last
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = []
            task = asyncio.create_task(self._push(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if session not in waiting:  # a user has few sessions
            waiting.append(session)
        return True

    async def _push(self, key: tuple[UserId, int]) -> None:
        # Hints from now on need a read of their own: this one may look before their entry is there.
        sessions = self._waiting.pop(key)
        batch: Batch | None = None
        with suppress(Exception):  # each session reads again, and handles what happens then
            batch = _batch(key[1], await self._read_after(*key), sessions[0])
        for session in sessions:
            if batch is None or not session.push(batch):
                session.listener.wake()


def _batch(after: int, page: StreamPage, session: RestingSession) -> Batch:
    entries, stream = page
    last = entries[-1].entry.seq if entries else after
    encoded = b""
    if len(entries) < AT_ONCE:  # otherwise more may follow
        encoded = b"".join(text_frame(frames.encode(session.event(seen, stream))) for seen in entries)
    delays = [session.delay(seen) for seen in entries]
    return Batch(after, last, stream.epoch, delays, encoded if len(encoded) <= MAX_BYTES else b"")
