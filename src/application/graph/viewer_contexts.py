"""The viewer contexts, cached because every read needs one."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from application.graph.ports import GraphReader, ViewerRelations
from application.shared.ports import Clock
from application.shared.readings import open_reading, rows_of
from domain.shared import UserId, ViewerContext

ANONYMOUS = ViewerContext()


@dataclass(slots=True)
class _CachedViewer:
    relations: ViewerRelations
    good_until: float
    """A time of the monotonic clock. After it the version is checked again."""
    viewer_context: ViewerContext
    changes_at: datetime | None
    """When the next mute ends."""

    @property
    def weight(self) -> int:
        return 1 + len(self.relations.follows) + len(self.relations.blocked) + len(self.relations.mutes)


@dataclass(slots=True)
class CachedViewerContexts:
    """Reads the viewer contexts, and caches them.

    A change by this process drops the entry at once (`forget`). A change by another process, a command for example, is
    noticed after `ttl` seconds: the version is read then, and the rest only if the version has risen.
    """

    reader: GraphReader
    clock: Clock
    monotonic: Callable[[], float]
    ttl: float = 0.5
    capacity: int = 300_000
    """The number of ids in all cached entries together."""
    _cached: OrderedDict[UserId, _CachedViewer] = field(default_factory=OrderedDict)
    _weight: int = 0
    _reading: dict[UserId, asyncio.Task[_CachedViewer]] = field(default_factory=dict)

    async def of(self, viewer: UserId | None) -> ViewerContext:
        if viewer is None:
            return ANONYMOUS
        cached = self._cached.get(viewer)
        if cached is None or self.monotonic() >= cached.good_until:
            cached = await self._refreshed(viewer)
        else:
            self._cached.move_to_end(viewer)
        if cached.changes_at is not None and self.clock() >= cached.changes_at:
            cached.viewer_context, cached.changes_at = _context_at(viewer, cached.relations, self.clock())
        if (reading := open_reading()) is not None:
            reading.watch(
                "viewer context", partial(self.peek, viewer), cached.viewer_context, partial(self.of, viewer)
            )
        return cached.viewer_context

    def peek(self, viewer: UserId) -> ViewerContext | None:
        """The viewer context, if it is known without asking the store, and as long as no mute in it ends by itself."""
        cached = self._cached.get(viewer)
        if cached is None or cached.changes_at is not None or self.monotonic() >= cached.good_until:
            return None
        return cached.viewer_context

    def forget(self, *users: UserId) -> None:
        """Drop the entries of these users, because their relationships changed. The result of a read that is under way
        is not cached: it may be from before the change."""
        for user in users:
            self._reading.pop(user, None)
            if cached := self._cached.pop(user, None):
                self._weight -= cached.weight

    async def _refreshed(self, viewer: UserId) -> _CachedViewer:
        """The entry as the store has it. Concurrent callers share one read."""
        task = self._reading.get(viewer)
        if task is None:
            task = asyncio.create_task(self._read(viewer))
            self._reading[viewer] = task
            task.add_done_callback(lambda done: self._store(viewer, done))
        return await asyncio.shield(task)

    async def _read(self, viewer: UserId) -> _CachedViewer:
        read_at = self.monotonic()
        cached = self._cached.get(viewer)
        with rows_of(()):  # `of` watches the result
            if cached is not None and await self.reader.version(viewer) == cached.relations.version:
                return _CachedViewer(
                    cached.relations, read_at + self.ttl, cached.viewer_context, cached.changes_at
                )
            relations = await self.reader.viewer_relations(viewer)
        viewer_context, changes_at = _context_at(viewer, relations, self.clock())
        return _CachedViewer(relations, read_at + self.ttl, viewer_context, changes_at)

    def _store(self, viewer: UserId, task: "asyncio.Task[_CachedViewer]") -> None:
        forgotten = self._reading.get(viewer) is not task
        if not forgotten:
            del self._reading[viewer]
        if task.cancelled() or task.exception() or forgotten:
            return
        self.forget(viewer)
        cached = self._cached[viewer] = task.result()
        self._weight += cached.weight
        while self._weight > self.capacity and len(self._cached) > 1:
            self.forget(next(iter(self._cached)))


def _context_at(
    viewer: UserId, relations: ViewerRelations, now: datetime
) -> tuple[ViewerContext, datetime | None]:
    """The viewer context at `now`, and when the next mute in it ends."""
    muted = frozenset(user for user, until in relations.mutes.items() if until is None or until > now)
    ends = [until for until in relations.mutes.values() if until is not None and until > now]
    viewer_context = ViewerContext(viewer, relations.follows, relations.blocked, muted, relations.version)
    return viewer_context, min(ends, default=None)
