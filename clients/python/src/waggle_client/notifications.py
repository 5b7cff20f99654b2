"""The state that a client shows: the notifications of a user, as of one number of their stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]

NEVER_UNREAD = frozenset({"media_ready"})
"""Types that are listed but never count as unread."""
_NONE: Json = {"total": 0, "by_type": {}}


class MissingEvent(Exception):
    """The event before this one was not applied. The state is unchanged."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One numbered event of the stream."""

    seq: int
    type: str
    """The type of a notification, which may be newer than this client; or `read`, `removed`, `void`."""
    id: str
    at: str
    data: Json
    unread: Json
    """The unread counters when the event was sent: `total` and `by_type`."""


@dataclass(slots=True)
class Notifications:
    """A list that is correct as of `seq`. Events move it on, one after the other.

    Save it as a whole. If the cursor is saved without the changes, or the changes without the cursor, notifications
    get lost or appear twice.
    """

    epoch: str = ""
    """The history in which `seq` counts; empty before anything was read."""
    seq: int = 0
    """The number of the last event that was applied."""
    floor: int = 1
    """The server has deleted everything below this number. It counts as read."""
    read: int = 0
    """Everything up to this number was read, on this device or another one."""
    unread: Json = field(default_factory=lambda: _NONE)
    items: dict[int, Json] = field(default_factory=dict)
    """The notifications by number, as the server lists them, without `read`."""
    more: str | None = None
    """The cursor of the page before the oldest item; None if there is none."""
    _since: int = 0
    """`_removed` is complete for removals after this number."""
    _removed: set[int] = field(default_factory=set)
    """Numbers that were removed. A page that was requested before the removal must not bring them back."""

    @property
    def newest_first(self) -> list[Json]:
        return [
            {**item, "read": seq <= self.read or item["type"] in NEVER_UNREAD}
            for seq, item in sorted(self.items.items(), reverse=True)
        ]

    @classmethod
    def from_page(cls, page: Json) -> "Notifications":
        """Start from the first page of the list. Events after the number of the page arrive on the stream."""
        state = cls(
            page["epoch"], page["seq"], page["floor"], page["read"], page["unread"], _since=page["seq"]
        )
        state._take(page)
        return state

    def start_again(self, page: Json) -> None:
        """Replace this state, which others may hold a reference to, by the first page of the list."""
        fresh = self.from_page(page)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def add_older(self, cursor: str, page: Json) -> bool:
        """Add the page that was requested with `cursor`, the value of `more` at that time.

        Returns False if the page is out of date; request it again.
        """
        if cursor != self.more or page["epoch"] != self.epoch or page["seq"] < self._since:
            return False
        self._take(page)
        return True

    def apply(self, event: StreamEvent) -> bool:
        """Apply the next event. Returns False if it was applied before. Raises MissingEvent."""
        if event.seq <= self.seq:
            return False
        if event.seq != self.seq + 1:
            raise MissingEvent(f"{event.seq} after {self.seq}")
        match event.type:
            case "read":
                self.read = max(self.read, event.data["seq"])
            case "removed":
                self._removed.update(event.data["seqs"])
                for seq in event.data["seqs"]:
                    self.items.pop(seq, None)
            case "void":
                pass
            case _:
                self.items[event.seq] = {
                    "seq": event.seq,
                    "id": event.id,
                    "type": event.type,
                    "actor": event.data["actor"],
                    "post": event.data["post"],
                    "created_at": event.at,
                }
        self.seq = event.seq
        self.unread = event.unread
        return True

    def keep_from(self, floor: int) -> None:
        """Forget everything below `floor`, as the server did."""
        if floor <= self.floor:
            return
        self.floor, self.read = floor, max(self.read, floor - 1)
        self.items = {seq: item for seq, item in self.items.items() if seq >= floor}
        self._removed = {seq for seq in self._removed if seq >= floor}

    def _take(self, page: Json) -> None:
        for item in page["items"]:
            if self.floor <= item["seq"] <= self.seq and item["seq"] not in self._removed:
                self.items[item["seq"]] = {name: value for name, value in item.items() if name != "read"}
        self.more = page["next"]
