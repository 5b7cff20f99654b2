"""What feeds needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from domain.shared import PostId, UserId, ViewerContext

MAX_TIMELINE_ENTRIES = 400
"""Of one timeline; what is older is read from the database."""


@dataclass(frozen=True, slots=True)
class TimelineSegment:
    """A part of a reader's feed without a gap, read from the database."""

    entries: Sequence[FeedEntry]
    """All with floor <= id < ceiling, newest first."""
    lower_bound: int
    """0 if the feed has no more below."""
    upper_bound: int
    """MAX_ID if nothing newer was there."""


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """What a timeline has of a window."""

    entries: Sequence[FeedEntry]
    """Newest first, up to the window's limit, those next to its edge."""
    lower_bound: int
    """Above this, itself included, the timeline lacks nothing: where it has fewer entries than were asked
    for, what comes below `lower_bound` stands in the database. 0 if nothing comes."""


class Timelines(Protocol):
    """For readers who are active, what may stand in their home feeds: kept, so that it need not be gathered.

    A timeline holds hints. It may name what is deleted, hidden or taken back since, which rules decide when
    it is read, but it lacks nothing above its floor. It belongs to one version of its reader's standing.
    All of it may be lost at any time; nothing here raises because a store is away.
    """

    async def begin(self, reader: UserId, version: int) -> bool:
        """From now on `push` reaches this reader, so that what is published while the database is read is
        not missed. Until `fill` there is nothing to read. A timeline of another version ends; one of this
        version stays as it is. False if nothing can be kept at present."""
        ...

    async def fill(self, reader: UserId, version: int, segment: TimelineSegment) -> None:
        """Add what was read from the database after `begin`. No effect if the timeline of that version is
        not there any more, or would have a gap above the stretch. Of all entries the newest MAX_TIMELINE_ENTRIES
        are kept, each once, and the floor is never below the oldest of so many."""
        ...

    async def read(self, reader: UserId, version: int, window: Window) -> TimelinePage | None:
        """None if there is no filled timeline of that version, or if the window goes back towards newer
        entries from below the floor. Reading keeps the timeline warm."""
        ...

    async def push(self, readers: Collection[UserId], entry: FeedEntry) -> None:
        """Add an entry for those of the readers who have a timeline or have begun one; the others notice
        nothing. Harmless to repeat. An entry may be older than others that are there."""
        ...

    async def drop(self, readers: Collection[UserId]) -> None:
        """Forget the timelines of these readers."""
        ...


class HomeViewers(Protocol):
    """Those who have their home feeds in sight."""

    async def notify_new_posts(self, readers: Collection[UserId]) -> None:
        """Tells those of the readers who watch, most of whom do not, that something came. At best: never raises,
        and waits no longer than a quarter of a second."""
        ...


class Candidates(Protocol):
    """What feeds asks the module that has posts and reposts: what may stand in a feed. A list is newest first
    and holds up to the window's limit, those next to its edge; it is shorter only where the feed ends."""

    async def by_sources(
        self, sources: Collection[UserId], window: Window, last: int | None = None
    ) -> Sequence[FeedEntry]:
        """Posts by the sources, comments and deleted ones aside, and all reposts by them; nothing further from
        the window's edge than `last`. Who may see them is not asked here."""
        ...

    async def public(self, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        """Public posts, comments aside, by authors whom everybody may see, and whom `viewer_context` neither
        mutes nor is parted from by a block."""
        ...

    async def tagged(self, tag: str, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        """The same with the canonical tag `tag`, comments included."""
        ...

    async def first_reposts(
        self, posts: Collection[PostId], sources: Collection[UserId]
    ) -> Mapping[PostId, int]:
        """The oldest repost of each of the posts by one of the sources, where there is one."""
        ...

    async def shows_reposts(self, user: UserId, viewer_context: ViewerContext) -> bool:
        """Whether `viewer_context` may know what the user reposts: who may see a public post of theirs."""
        ...


class Audience(Protocol):
    """What feeds asks the module that knows who follows whom."""

    async def followers_of(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` followers whose ids are greater than `after`, in the order of their ids."""
        ...

    async def is_popular(self, author: UserId) -> bool:
        """Whether the author has, or once had, too many followers to tell each of them."""
        ...

    async def popular(self) -> Collection[UserId]:
        """All who are popular. Whoever `is_popular` was told of is among them from then on."""
        ...


class People(Protocol):
    """What feeds asks the module that knows people."""

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, object]:
        """Something for each of those that exist."""
        ...
