"""Finds the stream of a user, and reads it from a cursor on, for every transport."""

import asyncio
from collections.abc import Sequence
from dataclasses import field
from typing import NamedTuple

from application.notifications.hydration import HydratedEntry, HydrateStream
from application.notifications.ports import NotificationsTx, StreamReader
from application.shared.ports import OpenTx
from domain.dataclasses import dataclass
from domain.notifications import Resume, Stream, recovers
from domain.shared import Conflict, UserId

AT_ONCE = 100
"""Entries per read."""


class CursorAhead(Conflict):
    """The cursor lies beyond the end of the stream. It belongs to another stream, or was made up."""

    code = "stream_cursor_ahead"


class TooFarBehind(Conflict):
    """The entries after the cursor were deleted."""

    code = "stream_too_far_behind"


@dataclass(frozen=True, slots=True)
class FindStream:
    """Returns the state of the user's stream. Creates the stream if there is none, so that a cursor issued now stays
    valid when the first notification arrives."""

    open_tx: OpenTx[NotificationsTx]
    reader: StreamReader

    async def __call__(self, user: UserId) -> Stream:
        found = await self.reader.stream(user)
        if found is None:
            async with self.open_tx() as tx:
                found = (await tx.streams.lock([user]))[user]
        return found


class OpenedStream(NamedTuple):
    stream: Stream
    """The state before anything was read."""
    recovered: bool
    """Whether every entry after the client's cursor follows. If not, none of the earlier entries follow."""
    last: int
    """The entries that follow come after this number."""


class StreamPage(NamedTuple):
    """The next entries of a stream."""

    entries: Sequence[HydratedEntry]
    """In order, without gaps; empty if there is nothing new."""
    stream: Stream
    """The state after the entries were read, so that its counters are current."""


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Decides where a client continues. A client that waits for hints has to join the hub first. Raises CursorAhead."""

    find: FindStream

    async def __call__(self, user: UserId, resume: Resume | None) -> OpenedStream:
        stream = await self.find(user)
        if resume is None or not recovers(stream, resume):
            return OpenedStream(stream, recovered=False, last=stream.head)
        if resume[1] > stream.head:
            raise CursorAhead("the cursor lies beyond the end of the stream")
        return OpenedStream(stream, recovered=True, last=resume[1])


@dataclass(frozen=True, slots=True)
class ReadAfter:
    """Reads up to AT_ONCE entries after a number, as the user may see them now. Raises TooFarBehind."""

    find: FindStream
    reader: StreamReader
    hydrate: HydrateStream

    async def __call__(self, user: UserId, last: int, limit: int = AT_ONCE) -> StreamPage:
        entries = await self.reader.after(user, last, limit)
        if entries and entries[0].seq != last + 1:
            raise TooFarBehind("the entries after this cursor were deleted")
        seen = await self.hydrate(user, entries)
        stream = await self.find(user)
        if not entries and stream.floor > last + 1:  # all of them were deleted
            raise TooFarBehind("the entries after this cursor were deleted")
        return StreamPage(seen, stream)


@dataclass(frozen=True, slots=True)
class ReadCoalesced:
    """Shares one ReadAfter among the devices of a user. A hint wakes all of them at once, and those at the same number
    read once. A call never joins a read that has begun, since that may have looked before the hinted entry was there.
    """

    read_after: ReadAfter
    _pending: dict[tuple[UserId, int], "asyncio.Task[StreamPage]"] = field(default_factory=dict)

    async def __call__(self, user: UserId, last: int) -> StreamPage:
        key = user, last
        reading = self._pending.get(key)
        if reading is None:
            reading = self._pending[key] = asyncio.create_task(self._read(key))
            reading.add_done_callback(_retrieve_exception)
        return await asyncio.shield(reading)  # a client that leaves must not cancel it for the others

    async def _read(self, key: tuple[UserId, int]) -> StreamPage:
        del self._pending[key]  # one turn of the event loop after the first call
        return await self.read_after(*key)


def _retrieve_exception(reading: "asyncio.Task[StreamPage]") -> None:
    """Retrieves the exception, since all callers may have left."""
    if not reading.cancelled():
        reading.exception()
