"""The home feed: what the reader and the accounts that they follow publish and repost."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import field, replace
from functools import partial
from typing import Generic, TypeVar

from application.feeds.pipeline import FeedPost, OncePerPost, ReadPage
from application.feeds.ports import AuthorFollowers, TimelinePage, Timelines, TimelineSegment
from application.shared.feed_entries import FeedEntries, FeedEntry
from application.shared.paging import Page, Window
from application.shared.ports import ViewerContexts
from application.shared.readings import open_reading
from domain.dataclasses import dataclass
from domain.feeds import HomeSources
from domain.shared import MAX_ID, UserId, ViewerContext

S = TypeVar("S", bound=FeedPost)

SEGMENT_SIZE = 100
"""Entries that are read from the database when a timeline is built, and again when the reader scrolls past its end:
five pages."""
MAX_TRACKED_SOURCES = 300
"""With more, the reading of a page would have too many keys (`application.shared.readings.MAX_KEYS`)."""


@dataclass(frozen=True, slots=True)
class ReadHomeFeed(Generic[S]):
    viewer_contexts: ViewerContexts
    gather: "GatherHome"
    feed_entries: FeedEntries
    read_page: ReadPage[S]

    async def __call__(self, reader: UserId, window: Window) -> Page[S]:
        viewer_context = await self.viewer_contexts.of(reader)
        rules = OncePerPost(self.feed_entries, HomeSources(viewer_context), viewer_context.muted)
        return await self.read_page(
            viewer_context, window, partial(self.gather, reader, viewer_context), rules
        )


@dataclass(frozen=True, slots=True)
class GatherHome:
    """The skeleton of the home feed: entries of the reader's timeline, merged with entries from the database that
    timelines do not hold."""

    timelines: Timelines
    feed_entries: FeedEntries
    followers: AuthorFollowers
    _building: dict[tuple[UserId, int], "asyncio.Task[bool]"] = field(default_factory=dict, compare=False)

    async def __call__(
        self, reader: UserId, viewer_context: ViewerContext, window: Window
    ) -> Sequence[FeedEntry]:
        timeline = None
        if self._may_read_timeline(viewer_context):
            timeline = await self._read_timeline(reader, viewer_context, window)
        if timeline is None:
            return await self.feed_entries.by_sources(_sources(reader, viewer_context), window)
        uncached = {reader} | (viewer_context.follows & frozenset(await self.followers.popular()))
        found = _merged(
            window,
            timeline.entries,
            await self.feed_entries.by_sources(uncached, window, _end_id(window, timeline)),
        )
        if window.back or len(timeline.entries) == window.limit or timeline.lower_bound == 0:
            return found
        # Below its lower bound the timeline is incomplete: read everything there from the database.
        known = [entry for entry in found if entry.id >= timeline.lower_bound][: window.limit]
        if len(known) == window.limit:
            return known
        missing = replace(window, limit=window.limit - len(known))
        return [*known, *await self._read_older(reader, viewer_context, missing, timeline.lower_bound)]

    def _may_read_timeline(self, viewer_context: ViewerContext) -> bool:
        """False if the response may be kept, which it could not be with a timeline that nobody watches."""
        return (
            self.timelines.is_watched
            or open_reading() is None
            or len(viewer_context.follows) > MAX_TRACKED_SOURCES
        )

    async def _read_timeline(
        self, reader: UserId, viewer_context: ViewerContext, window: Window
    ) -> TimelinePage | None:
        timeline = await self.timelines.read(reader, viewer_context.version, window)
        if timeline is not None or window.back:
            return timeline
        key = reader, viewer_context.version
        if (building := self._building.get(key)) is None:
            building = self._building[key] = asyncio.create_task(self._build(reader, viewer_context))
            building.add_done_callback(lambda _: self._building.pop(key, None))
        if not await asyncio.shield(building):  # other requests may wait for it, so it outlives this one
            return None
        return await self.timelines.read(reader, viewer_context.version, window)

    async def _build(self, reader: UserId, viewer_context: ViewerContext) -> bool:
        begun = await self.timelines.begin(reader, viewer_context.version)
        if begun:
            await self._extend(reader, viewer_context, MAX_ID, SEGMENT_SIZE)
        return begun

    async def _read_older(
        self, reader: UserId, viewer_context: ViewerContext, window: Window, lower_bound: int
    ) -> Sequence[FeedEntry]:
        if (
            window.edge is not None and window.edge < lower_bound
        ):  # a gap lies above, so the result could not be stored
            return await self.feed_entries.by_sources(_sources(reader, viewer_context), window)
        entries = await self._extend(reader, viewer_context, lower_bound, max(SEGMENT_SIZE, window.limit))
        return entries[: window.limit]

    async def _extend(
        self, reader: UserId, viewer_context: ViewerContext, upper_bound: int, limit: int
    ) -> Sequence[FeedEntry]:
        """Read entries below `upper_bound` from the database, and add them to the timeline."""
        entries = await self.feed_entries.by_sources(
            _sources(reader, viewer_context), Window(limit, upper_bound)
        )
        lower_bound = entries[-1].id if len(entries) == limit else 0
        await self.timelines.fill(
            reader, viewer_context.version, TimelineSegment(entries, lower_bound, upper_bound)
        )
        return entries


def _sources(reader: UserId, viewer_context: ViewerContext) -> Collection[UserId]:
    """Includes muted accounts: muting does not invalidate a timeline, and the rules hide their posts."""
    return viewer_context.follows | {reader}


def _end_id(window: Window, timeline: TimelinePage) -> int | None:
    """The id beyond which further entries are not needed, since the page is full by then. On most pages this excludes
    nearly all of them."""
    if len(timeline.entries) == window.limit:
        return timeline.entries[0 if window.back else -1].id
    return None if window.back else timeline.lower_bound


def _merged(
    window: Window, timeline: Sequence[FeedEntry], uncached: Sequence[FeedEntry]
) -> Sequence[FeedEntry]:
    """The entries of the window, newest first, without duplicates."""
    if not uncached:
        return timeline
    found = sorted({*timeline, *uncached}, reverse=True)
    return found[-window.limit :] if window.back else found[: window.limit]
