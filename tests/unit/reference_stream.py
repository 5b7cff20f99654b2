"""A reference for the server side of a stream, with the frames and pages that it sends. For tests of clients."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]
PAGE = 3


@dataclass(frozen=True)
class LogEntry:
    seq: int
    type: str
    seqs: tuple[int, ...] = ()
    removed: bool = False


@dataclass
class ReferenceStream:
    epoch: str = "one"
    floor: int = 1
    read: int = 0
    log: list[LogEntry] = field(default_factory=list)
    """The entry with number `seq` is at index `seq - 1`. Entries below the floor are not returned."""

    @property
    def head(self) -> int:
        return len(self.log)

    @property
    def items(self) -> list[LogEntry]:
        kept = self.log[self.floor - 1 :]
        return [one for one in kept if one.type in {"like", "comment"} and not one.removed]

    @property
    def unread(self) -> Json:
        types = [one.type for one in self.items if one.seq > self.read]
        return {"total": len(types), "by_type": {type_: types.count(type_) for type_ in set(types)}}

    def add_entry(self, type_: str) -> None:
        self.log.append(LogEntry(self.head + 1, type_))

    def remove(self, seq: int) -> None:
        if any(one.seq == seq for one in self.items):
            self.log[seq - 1] = replace(self.log[seq - 1], removed=True)
            self.log.append(LogEntry(self.head + 1, "removed", (seq,)))

    def mark_read(self, seq: int) -> None:
        up_to = max((one.seq for one in self.items if one.seq <= seq), default=0)
        if up_to > self.read:
            self.read = up_to
            self.log.append(LogEntry(self.head + 1, "read", (up_to,)))

    def trim(self, floor: int) -> None:
        self.floor = max(self.floor, min(floor, self.head + 1))
        self.read = max(self.read, self.floor - 1)

    def restore(self, head: int) -> None:
        """Restore a backup from when this was the head."""
        del self.log[head:]
        self.floor, self.read = min(self.floor, head + 1), min(self.read, head)

    def ready(self, hello: str) -> Json | int:
        """The first frame, or the code with which the connection is closed."""
        resume = json.loads(hello).get("resume")
        recovered = resume and resume["epoch"] == self.epoch and resume["seq"] >= self.floor - 1
        if recovered and resume["seq"] > self.head:
            return 4007
        seq = resume["seq"] if recovered else self.head
        about = {"epoch": self.epoch, "seq": seq, "floor": self.floor, "read": self.read}
        return {
            "op": "ready",
            "recovered": bool(recovered),
            **about,
            "unread": self.unread,
            "heartbeat_s": 25,
        }

    def after(self, seq: int) -> Iterator[Json]:
        yield from (self.frame(one) for one in self.log[seq:])

    def frame(self, one: LogEntry) -> Json:
        data: Json = {"actor": None, "post": None}
        if one.type == "read":
            data = {"seq": one.seqs[0]}
        elif one.type == "removed":
            data = {"seqs": list(one.seqs)}
        frame = {"op": "event", "seq": one.seq, "id": str(one.seq), "type": one.type, "at": f"at {one.seq}"}
        if one.removed:
            frame["type"], data = "void", {}
        return {**frame, "data": data, "unread": self.unread}

    def page(self, cursor: str | None = None) -> Json:
        below = int(cursor) if cursor else self.head + 1
        found = [self.item(one) for one in reversed(self.items) if one.seq < below]
        return {
            "items": found[:PAGE],
            "next": str(found[PAGE - 1]["seq"]) if len(found) > PAGE else None,
            "epoch": self.epoch,
            "seq": self.head,
            "floor": self.floor,
            "read": self.read,
            "unread": self.unread,
        }

    def item(self, one: LogEntry) -> Json:
        about = {"seq": one.seq, "id": str(one.seq), "type": one.type, "created_at": f"at {one.seq}"}
        return {**about, "actor": None, "post": None, "read": one.seq <= self.read}
