"""Groups similar notifications: "Willy and 11 others like your post"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from application.shared.paging import Window
from domain.notifications import NotificationKind, StreamEntry

ACTORS = 5
GROUPED = frozenset({NotificationKind.LIKE, NotificationKind.REPOST})
"""Notifications of these kinds are grouped by kind and post."""


@dataclass(slots=True)
class EntryGroup:
    """Notifications of one kind about one post, or a single notification."""

    newest: list[StreamEntry] = field(default_factory=list)
    """The newest of them, newest first, up to ACTORS. In a group each is by a different account."""
    oldest: int = 0
    """The lowest sequence number in the group."""
    count: int = 0
    """Notifications in the group, which equals the number of accounts where kinds are grouped."""

    @property
    def seq(self) -> int:
        """The position of the group in the list."""
        return self.newest[0].seq

    def add(self, entry: StreamEntry) -> None:
        """The entry must be older than those in the group."""
        if len(self.newest) < ACTORS:
            self.newest.append(entry)
        self.oldest = entry.seq
        self.count += 1


def alone(entry: StreamEntry) -> EntryGroup:
    return EntryGroup([entry], entry.seq, 1)


def grouped(entries: Iterable[StreamEntry]) -> list[EntryGroup]:
    """Groups of the given entries, which must be newest first. The newest entry of a group decides its position."""
    groups: dict[object, EntryGroup] = {}
    for entry in entries:
        key = (entry.type, entry.post) if entry.type in GROUPED else entry.seq
        if (group := groups.get(key)) is None:
            group = groups[key] = EntryGroup()
        group.add(entry)
    return list(groups.values())


def within(groups: Sequence[EntryGroup], window: Window) -> Sequence[EntryGroup]:
    """The groups that a reader would return for the window: up to one more than its limit."""
    size, edge = window.limit + 1, window.edge
    if window.back:
        return [group for group in groups if edge is None or group.seq > edge][-size:]
    return [group for group in groups if edge is None or group.seq < edge][:size]
