"""Timelines in the memory of a single process, and the null adapter for several processes that share no Redis."""

import asyncio
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from application.feeds.ports import MAX_TIMELINE_ENTRIES, TimelinePage, TimelineSegment
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from application.shared.readings import open_reading
from application.shared.records import maker
from domain.shared import MAX_ID, UserId

MAX_READERS = 5_000
"""Readers with a timeline at a time; 50 MB if all timelines are full."""
YIELD_EVERY = 250
"""Pushes before other tasks get a turn: 10,000 without a pause would block the event loop for 40 ms."""


_make_entry = maker(FeedEntry)
_changes = count(1)


class _Timeline:
    """Entries in three arrays, oldest first. An entry takes 24 bytes; as an object it would take 200."""

    __slots__ = ("bys", "changed", "ids", "lower_bound", "posts", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.ids, self.posts, self.bys = array("q"), array("q"), array("q")
        self.lower_bound = MAX_ID
        self.changed = next(_changes)
        """The number of the last change, unique among all timelines."""

    def add(self, entry: FeedEntry) -> None:
        ids = self.ids
        if not ids or entry.id > ids[-1]:
            at = len(ids)
        elif ids[at := bisect_left(ids, entry.id)] == entry.id:
            return
        self.changed = next(_changes)
        ids.insert(at, entry.id)
        self.posts.insert(at, entry.post)
        self.bys.insert(at, entry.by)
        if len(ids) > MAX_TIMELINE_ENTRIES:
            del ids[0], self.posts[0], self.bys[0]
            self.lower_bound = max(self.lower_bound, ids[0])

    def replace(self, entries: Iterable[FeedEntry]) -> None:
        """`entries` must be ordered by id."""
        self.changed = next(_changes)
        kept = [*entries]
        if len(kept) > MAX_TIMELINE_ENTRIES:
            kept = kept[-MAX_TIMELINE_ENTRIES:]
            self.lower_bound = max(self.lower_bound, kept[0].id)
        self.ids = array("q", [entry.id for entry in kept])
        self.posts = array("q", [entry.post for entry in kept])
        self.bys = array("q", [entry.by for entry in kept])

    def part(self, start: int, stop: int) -> list[FeedEntry]:
        """Newest first."""
        ids, posts, bys = self.ids[start:stop], self.posts[start:stop], self.bys[start:stop]
        found = [*map(_make_entry, zip(ids, posts, bys, strict=True))]
        found.reverse()
        return found


@dataclass(frozen=True, slots=True)
class MemoryTimelines:
    readers: int = MAX_READERS
    _kept: OrderedDict[UserId, _Timeline] = field(default_factory=OrderedDict, compare=False)
    """Ordered by the last read, the latest at the end."""

    @property
    def is_watched(self) -> bool:
        return True

    async def begin(self, reader: UserId, version: int) -> bool:
        kept = self._kept.get(reader)
        if kept is None or kept.version != version:
            self._kept[reader] = _Timeline(version)
        self._kept.move_to_end(reader)
        while len(self._kept) > self.readers:
            self._kept.popitem(last=False)
        return True

    async def fill(self, reader: UserId, version: int, segment: TimelineSegment) -> None:
        kept = self._kept.get(reader)
        if kept is None or kept.version != version or kept.lower_bound > segment.upper_bound:
            return
        merged = {entry.id: entry for entry in (*kept.part(0, len(kept.ids)), *segment.entries)}
        kept.lower_bound = min(kept.lower_bound, segment.lower_bound)
        kept.replace(merged[id_] for id_ in sorted(merged))

    async def read(self, reader: UserId, version: int, window: Window) -> TimelinePage | None:
        kept = self._kept.get(reader)
        if kept is None or kept.version != version or kept.lower_bound == MAX_ID:
            return None
        self._kept.move_to_end(reader)
        if (reading := open_reading()) is not None:
            reading.watch(
                "timeline", partial(self._changed, reader), kept.changed, partial(self._used, reader)
            )
        edge, ids = window.edge, kept.ids
        if window.back:
            start = bisect_left(ids, (edge or 0) + 1)
            beneath = (edge or 0) + 1 < kept.lower_bound
            return None if beneath else TimelinePage(kept.part(start, start + window.limit), kept.lower_bound)
        stop = len(ids) if edge is None else bisect_left(ids, edge)
        lowest = bisect_left(ids, kept.lower_bound, 0, stop)
        return TimelinePage(kept.part(max(lowest, stop - window.limit), stop), kept.lower_bound)

    def _changed(self, reader: UserId) -> int | None:
        kept = self._kept.get(reader)
        return None if kept is None else kept.changed

    async def _used(self, reader: UserId) -> None:
        """A page that was made of the timeline is read again."""
        if reader in self._kept:
            self._kept.move_to_end(reader)

    async def push(self, readers: Collection[UserId], entry: FeedEntry) -> None:
        get = self._kept.get
        for number, reader in enumerate(readers, 1):
            if (kept := get(reader)) is not None:
                kept.add(entry)
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def drop(self, readers: Collection[UserId]) -> None:
        for reader in readers:
            self._kept.pop(reader, None)


@dataclass(frozen=True, slots=True)
class NoTimelines:
    """For several processes that share nothing. An event is delivered to one of them only, so no process could keep a
    timeline complete."""

    @property
    def is_watched(self) -> bool:
        return True  # there is nothing that could change

    async def begin(self, reader: UserId, version: int) -> bool:
        return False

    async def fill(self, reader: UserId, version: int, segment: TimelineSegment) -> None:
        """Has no effect."""

    async def read(self, reader: UserId, version: int, window: Window) -> TimelinePage | None:
        return None

    async def push(self, readers: Collection[UserId], entry: FeedEntry) -> None:
        """Has no effect."""

    async def drop(self, readers: Collection[UserId]) -> None:
        """Has no effect."""
