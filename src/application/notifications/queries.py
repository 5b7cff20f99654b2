"""Queries of a user on their own stream: pages of notifications, and news since a sequence number."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from application.notifications.grouping import EntryGroup, alone, grouped, within
from application.notifications.hydration import HydratedEntry, HydrateStream
from application.notifications.ports import StreamReader
from application.notifications.read_stream import FindStream, OpenStream, ReadAfter, TooFarBehind
from application.shared.paging import Page, Window, page
from domain.dataclasses import dataclass
from domain.notifications import MAX_STREAM_ENTRIES, NotificationKind, Stream
from domain.shared import UserId

MAX_ROUNDS = 6
"""Hidden notifications are removed permanently when they are found, so that it suffices to read again. If some are
still hidden after this many rounds, the page is short, and its `next` goes on from there."""


@dataclass(frozen=True, slots=True)
class HydratedGroup:
    """Notifications that are listed as one, or a single one."""

    newest: Sequence[HydratedEntry]
    """Newest first, up to ACTORS."""
    oldest: int
    count: int


class NotificationListing(NamedTuple):
    stream: Stream
    """The state before the page was read. A client that applies everything after its head misses nothing."""
    page: Page[HydratedGroup]


@dataclass(frozen=True, slots=True)
class ListNotifications:
    """Lists notifications of some kinds, newest first, singly or in groups."""

    find: FindStream
    reader: StreamReader
    hydrate: HydrateStream

    async def __call__(
        self, user: UserId, window: Window, kinds: Collection[NotificationKind], *, in_groups: bool = False
    ) -> NotificationListing:
        for _ in range(MAX_ROUNDS):
            stream = await self.find(user)
            rows = await (self._groups if in_groups else self._single)(user, window, kinds)
            found = page(rows, window, lambda group: group.seq, newest_first=True)
            shown, whole = await self._shown(user, found.items)
            if whole:
                break
        return NotificationListing(stream, Page(shown, found.next, found.prev))

    async def _single(
        self, user: UserId, window: Window, kinds: Collection[NotificationKind]
    ) -> Sequence[EntryGroup]:
        return [alone(entry) for entry in await self.reader.latest(user, window, kinds)]

    async def _groups(
        self, user: UserId, window: Window, kinds: Collection[NotificationKind]
    ) -> Sequence[EntryGroup]:
        # Read them all: a database needs as long to group a full stream as to return it, 13 ms.
        return within(grouped(await self.reader.latest(user, Window(MAX_STREAM_ENTRIES), kinds)), window)

    async def _shown(self, user: UserId, groups: Sequence[EntryGroup]) -> tuple[list[HydratedGroup], bool]:
        """The visible part of the groups, and whether everything was visible."""
        entries = [entry for group in groups for entry in group.newest]
        seen = {one.entry.seq: one for one in await self.hydrate(user, entries) if not one.void}
        shown: list[HydratedGroup] = []
        for group in groups:
            newest = [seen[entry.seq] for entry in group.newest if entry.seq in seen]
            if newest:
                shown.append(
                    HydratedGroup(newest, group.oldest, group.count - len(group.newest) + len(newest))
                )
        return shown, len(seen) == len(entries)


class News(NamedTuple):
    stream: Stream
    """The current state, with the current counters."""
    recovered: bool
    """Whether `items` continues without a gap after the requested number. If not, `items` is empty, and the client must
    read the list again."""
    items: Sequence[HydratedEntry]
    """Lowest first, without gaps."""
    last: int
    """The sequence number up to which this result reaches."""

    @property
    def more(self) -> bool:
        return self.last < self.stream.head


@dataclass(frozen=True, slots=True)
class ReadNews:
    """Reads entries after a sequence number, for clients that poll. `epoch` is the epoch of that number; without it the
    current one is assumed. Raises CursorAhead."""

    find: FindStream
    open_stream: OpenStream
    read_after: ReadAfter

    async def __call__(self, user: UserId, after: int, epoch: str | None, limit: int) -> News:
        epoch = epoch or (await self.find(user)).epoch
        stream, recovered, last = await self.open_stream(user, (epoch, after))
        if not recovered:
            return _nothing(stream)
        try:
            items, stream = await self.read_after(user, after, limit)
        except TooFarBehind:
            return _nothing(await self.find(user))
        return News(stream, recovered=True, items=items, last=items[-1].entry.seq if items else last)


def _nothing(stream: Stream) -> News:
    return News(stream, recovered=False, items=(), last=stream.head)
