"""Reading a stream from a cursor on, whatever carries it to the client."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from application.notifications.find_stream import FindStream
from application.notifications.hydration import HydratedEntry, HydrateStream
from application.notifications.ports import StreamReader
from domain.notifications import Resume, Stream, recovers
from domain.shared import Conflict, UserId

AT_ONCE = 100
"""Entries that are read at a time."""


class CursorAhead(Conflict):
    """The cursor lies beyond the end of the stream: it is of another one, or made up."""

    code = "stream_cursor_ahead"


class TooFarBehind(Conflict):
    """What comes after the cursor is not kept any more."""

    code = "stream_too_far_behind"


class OpenedStream(NamedTuple):
    stream: Stream
    """As it stood before anything was read."""
    recovered: bool
    """Whether everything after the client's cursor follows. If not, nothing of it does."""
    last: int
    """What follows comes after this number."""


class StreamPage(NamedTuple):
    """What stands next in a stream."""

    entries: Sequence[HydratedEntry]
    """In order, without a gap; none if there is nothing new."""
    stream: Stream
    """As it stood after they were read, so its counts are of now."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Where a client goes on. Whoever waits for hints has joined before. Raises CursorAhead."""

    find: FindStream

    async def __call__(self, user: UserId, resume: Resume | None) -> OpenedStream:
        stream = await self.find(user)
        if resume is None or not recovers(stream, resume):
            return OpenedStream(stream, recovered=False, last=stream.head)
        if resume[1] > stream.head:
            raise CursorAhead("this cursor lies beyond the end of the stream")
        return OpenedStream(stream, recovered=True, last=resume[1])


@dataclass(frozen=True, slots=True)
class ReadAfter:
    """The entries after a number, at most AT_ONCE, as their user may see them now. Raises TooFarBehind."""

    find: FindStream
    reader: StreamReader
    show: HydrateStream

    async def __call__(self, user: UserId, last: int, limit: int = AT_ONCE) -> StreamPage:
        entries = await self.reader.after(user, last, limit)
        if entries and entries[0].seq != last + 1:
            raise TooFarBehind("what comes after this cursor is not kept any more")
        seen = await self.show(user, entries)
        stream = await self.find(user)
        if not entries and stream.floor > last + 1:  # nothing is left of it
            raise TooFarBehind("what comes after this cursor is not kept any more")
        return StreamPage(seen, stream)


@dataclass(frozen=True, slots=True)
class ReadCoalesced:
    """ReadAfter for the devices of a user, which one hint wakes all at once: those that stand at the same number read
    once. Nobody joins a reading that has begun, which may have looked before what the hint is about was there."""

    read_after: ReadAfter
    _due: dict[tuple[UserId, int], "asyncio.Task[StreamPage]"] = field(default_factory=dict)

    async def __call__(self, user: UserId, last: int) -> StreamPage:
        key = user, last
        reading = self._due.get(key)
        if reading is None:
            reading = self._due[key] = asyncio.create_task(self._read(key))
            reading.add_done_callback(_seen)
        return await asyncio.shield(reading)  # who leaves does not take it from the others

    async def _read(self, key: tuple[UserId, int]) -> StreamPage:
        del self._due[key]  # a turn of the loop after whoever asked first
        return await self.read_after(*key)


def _seen(reading: "asyncio.Task[StreamPage]") -> None:
    """All who waited for it may have left."""
    if not reading.cancelled():
        reading.exception()
