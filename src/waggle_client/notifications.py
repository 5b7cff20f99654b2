"""What a client shows: the notifications of a user, as of one number of their stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]

NEVER_UNREAD = frozenset({"media_ready"})
"""Types that are listed but never count as unread."""
_NONE: Json = {"total": 0, "by_type": {}}


class Gap(Exception):
    """An entry lacks the one before it. The state is as it was."""


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the stream."""

    seq: int
    type: str
    """Of a notification its kind, some of which may be newer than this client; else read, removed or void."""
    id: str
    at: str
    data: Json
    unread: Json
    """As of when it was sent: `total`, and `by_type`."""


@dataclass(slots=True)
class Notifications:
    """A list that is true as of `seq`, and is moved on by the entries that follow. Keep it as one: to save the
    cursor without what was applied, or the other way round, is how notifications get lost."""

    epoch: str = ""
    """Which history `seq` counts in; empty before anything was read."""
    seq: int = 0
    floor: int = 1
    """What stands below it is gone at the server, and counts as read."""
    read: int = 0
    """What stands at this or below was read, on this device or another."""
    unread: Json = field(default_factory=lambda: _NONE)
    items: dict[int, Json] = field(default_factory=dict)
    """The notifications by their numbers, as the server lists them but for `read`."""
    more: str | None = None
    """The cursor of the page before the oldest item, as long as there is one."""
    _since: int = 0
    """Of what was removed above it we know."""
    _removed: set[int] = field(default_factory=set)
    """What a page that was asked for before its removal must not bring back."""

    @property
    def newest_first(self) -> list[Json]:
        return [
            {**item, "read": seq <= self.read or item["type"] in NEVER_UNREAD}
            for seq, item in sorted(self.items.items(), reverse=True)
        ]

    @classmethod
    def from_page(cls, page: Json) -> "Notifications":
        """The first page of the list. What is newer than the number that the page carries comes again as an entry."""
        state = cls(
            page["epoch"], page["seq"], page["floor"], page["read"], page["unread"], _since=page["seq"]
        )
        state._take(page)
        return state

    def start_again(self, page: Json) -> None:
        """The same for a state that others hold."""
        fresh = self.from_page(page)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def add_older(self, cursor: str, page: Json) -> bool:
        """The page that `more` named, when it was `cursor`; False if it is out of date, and to be asked for again."""
        if cursor != self.more or page["epoch"] != self.epoch or page["seq"] < self._since:
            return False
        self._take(page)
        return True

    def apply(self, event: Event) -> bool:
        """Move on by one entry; False if it was applied before."""
        if event.seq <= self.seq:
            return False
        if event.seq != self.seq + 1:
            raise Gap(f"{event.seq} after {self.seq}")
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
        """Forget what stands below `floor`, as the server did."""
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
