"""How a viewer stands to others, kept because every read asks for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from application.graph.ports import Around, GraphReader
from application.shared.ports import Clock
from domain.shared import UserId, ViewerContext

ANONYMOUS = ViewerContext()


@dataclass(slots=True)
class _Kept:
    around: Around
    good_until: float
    """By the monotonic clock: then it is asked whether something changed."""
    viewer_context: ViewerContext
    changes_at: datetime | None
    """When the next mute ends."""

    @property
    def weight(self) -> int:
        return 1 + len(self.around.follows) + len(self.around.blocked) + len(self.around.mutes)


@dataclass(slots=True)
class ViewerContexts:
    """Answers how a viewer stands to others, from what is kept of each viewer.

    It is dropped at once by what this process does (`forget`). What another process did, a command among them, is
    noticed after `ttl` seconds: then the version is asked for, and only if it has risen everything else.
    """

    reader: GraphReader
    clock: Clock
    monotonic: Callable[[], float]
    ttl: float = 0.5
    capacity: int = 300_000
    """Of ids, in all that is kept."""
    _kept: OrderedDict[UserId, _Kept] = field(default_factory=OrderedDict)
    _weight: int = 0
    _asking: dict[UserId, asyncio.Task[_Kept]] = field(default_factory=dict)

    async def of(self, viewer: UserId | None) -> ViewerContext:
        if viewer is None:
            return ANONYMOUS
        kept = self._kept.get(viewer)
        if kept is None or self.monotonic() >= kept.good_until:
            kept = await self._asked(viewer)
        else:
            self._kept.move_to_end(viewer)
        if kept.changes_at is not None and self.clock() >= kept.changes_at:
            kept.viewer_context, kept.changes_at = _standing(viewer, kept.around, self.clock())
        return kept.viewer_context

    def forget(self, *users: UserId) -> None:
        """Something of these users has changed. What is being asked for at this moment may be from before."""
        for user in users:
            self._asking.pop(user, None)
            if kept := self._kept.pop(user, None):
                self._weight -= kept.weight

    async def _asked(self, viewer: UserId) -> _Kept:
        """What the store says, asked for once however many wait for it."""
        task = self._asking.get(viewer)
        if task is None:
            task = asyncio.create_task(self._ask(viewer))
            self._asking[viewer] = task
            task.add_done_callback(lambda done: self._answered(viewer, done))
        return await asyncio.shield(task)

    async def _ask(self, viewer: UserId) -> _Kept:
        asked_at = self.monotonic()
        kept = self._kept.get(viewer)
        if kept is not None and await self.reader.version(viewer) == kept.around.version:
            return _Kept(kept.around, asked_at + self.ttl, kept.viewer_context, kept.changes_at)
        around = await self.reader.around(viewer)
        viewer_context, changes_at = _standing(viewer, around, self.clock())
        return _Kept(around, asked_at + self.ttl, viewer_context, changes_at)

    def _answered(self, viewer: UserId, task: "asyncio.Task[_Kept]") -> None:
        forgotten = self._asking.get(viewer) is not task
        if not forgotten:
            del self._asking[viewer]
        if task.cancelled() or task.exception() or forgotten:
            return
        self.forget(viewer)
        kept = self._kept[viewer] = task.result()
        self._weight += kept.weight
        while self._weight > self.capacity and len(self._kept) > 1:
            self.forget(next(iter(self._kept)))


def _standing(viewer: UserId, around: Around, now: datetime) -> tuple[ViewerContext, datetime | None]:
    """The standing at `now`, and when a mute in it ends."""
    muted = frozenset(user for user, until in around.mutes.items() if until is None or until > now)
    ends = [until for until in around.mutes.values() if until is not None and until > now]
    viewer_context = ViewerContext(viewer, around.follows, around.blocked, muted, around.version)
    return viewer_context, min(ends, default=None)
