"""Listing together what is alike: "Willy and 11 others like your post"."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from application.shared.paging import Window
from domain.notifications import Kind, StreamEntry

ACTORS = 5
GROUPED = frozenset({Kind.LIKE, Kind.REPOST})
"""What is listed as one: of the same kind, about the same post."""


@dataclass(slots=True)
class EntryGroup:
    """Notifications of one kind about one post, or one that stands alone."""

    newest: list[StreamEntry] = field(default_factory=list)
    """The newest of them, the last one first, up to ACTORS: each is of somebody else where they are grouped."""
    oldest: int = 0
    """The lowest sequence number in it."""
    count: int = 0
    """Notifications, which is as many people where they are grouped."""

    @property
    def seq(self) -> int:
        """Its place in the list."""
        return self.newest[0].seq

    def add(self, entry: StreamEntry) -> None:
        """One that is older than those in it."""
        if len(self.newest) < ACTORS:
            self.newest.append(entry)
        self.oldest = entry.seq
        self.count += 1


def alone(entry: StreamEntry) -> EntryGroup:
    return EntryGroup([entry], entry.seq, 1)


def grouped(entries: Iterable[StreamEntry]) -> list[EntryGroup]:
    """What is given newest first, in groups by the newest of each."""
    groups: dict[object, EntryGroup] = {}
    for entry in entries:
        key = (entry.type, entry.post) if entry.type in GROUPED else entry.seq
        if (group := groups.get(key)) is None:
            group = groups[key] = EntryGroup()
        group.add(entry)
    return list(groups.values())


def within(groups: Sequence[EntryGroup], window: Window) -> Sequence[EntryGroup]:
    """What a reader would give for the window: up to one more than its limit."""
    size, edge = window.limit + 1, window.edge
    if window.back:
        return [group for group in groups if edge is None or group.seq > edge][-size:]
    return [group for group in groups if edge is None or group.seq < edge][:size]
