"""The driven ports of feeds."""

from collections.abc import Collection, Sequence
from typing import Protocol

from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from domain.dataclasses import dataclass
from domain.shared import UserId

MAX_TIMELINE_ENTRIES = 400
"""Entries of one timeline. Older entries are read from the database."""


@dataclass(frozen=True, slots=True)
class TimelineSegment:
    """A gapless segment of a reader's feed, read from the database."""

    entries: Sequence[FeedEntry]
    """All entries with lower_bound <= id < upper_bound, newest first."""
    lower_bound: int
    """0 if the feed has nothing below."""
    upper_bound: int
    """MAX_ID if nothing newer existed."""


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """The part of a window that a timeline holds."""

    entries: Sequence[FeedEntry]
    """Newest first, starting at the window's edge, up to its limit."""
    lower_bound: int
    """The timeline is complete from this id on. If `entries` is shorter than the limit, read the entries below this id
    from the database. 0 if there are none."""


class Timelines(Protocol):
    """The home feeds of active readers, precomputed.

    A timeline is a hint. It may name posts that were deleted, hidden or un-reposted since; the rules of the feed remove
    those at read time. But it misses nothing above its lower bound. It belongs to one version of the reader's viewer
    context. All timelines may be lost at any time. No method raises if the store is unavailable."""

    @property
    def is_watched(self) -> bool:
        """Whether `read` tells the open reading (`application.shared.readings`) when its result changes."""
        ...

    async def begin(self, reader: UserId, version: int) -> bool:
        """Start to receive `push` for this reader, so that nothing is missed that is published while the caller reads
        the database. The timeline cannot be read before `fill`.

        A timeline of another version is dropped; one of the same version stays unchanged. Returns False if nothing can
        be stored now."""
        ...

    async def fill(self, reader: UserId, version: int, segment: TimelineSegment) -> None:
        """Add a segment that was read from the database after `begin`. Has no effect if the timeline of that version no
        longer exists, or if a gap would remain above the segment. Keeps the newest MAX_TIMELINE_ENTRIES entries, each
        once; the lower bound is never below the oldest of them."""
        ...

    async def read(self, reader: UserId, version: int, window: Window) -> TimelinePage | None:
        """Returns None if there is no filled timeline of that version, or if the window goes towards newer entries from
        below the lower bound. Reading extends the lifetime of the timeline."""
        ...

    async def push(self, readers: Collection[UserId], entry: FeedEntry) -> None:
        """Add an entry to the timelines of the given readers; readers without a timeline are ignored. Idempotent. The
        entry may be older than entries of the timeline."""
        ...

    async def drop(self, readers: Collection[UserId]) -> None:
        """Delete the timelines of these readers."""
        ...


class HomeViewers(Protocol):
    """Clients that show a home feed at this moment."""

    async def notify_new_posts(self, readers: Collection[UserId]) -> None:
        """Notify the clients of these readers, most of whom have none connected. Best effort: never raises, and takes
        at most 250 ms."""
        ...


class AuthorFollowers(Protocol):
    """The followers of authors. Graph provides them."""

    async def after(self, author: UserId, last: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` followers with ids greater than `last`, ordered by id."""
        ...

    async def is_popular(self, author: UserId) -> bool:
        """Whether the author has, or once had, too many followers to fan out to each of them."""
        ...

    async def popular(self) -> Collection[UserId]:
        """All popular accounts. Contains every account for which `is_popular` has returned True."""
        ...
