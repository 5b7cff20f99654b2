"""Changes streams in memory. There is one writer at a time, so nothing needs to be locked."""

import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.notifications.rows import (
    ENTRIES,
    KEY_OF,
    KEYS,
    MAILS,
    PREFERENCES,
    STREAMS,
    TICKETS,
    DueRow,
    notifications,
)
from adapters.memory.store import Draft, Store
from adapters.trace_context import traceparent
from application.notifications.ports import NotificationsTx
from application.shared.ports import OpenTx
from domain.notifications import NotificationKind, Preferences, Stream, StreamEntry
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class MemoryStreams:
    rows: Draft

    async def lock(self, users: Collection[UserId]) -> Mapping[UserId, Stream]:
        for user in users:
            if self.rows.get(STREAMS, user) is None:
                self.rows.put(STREAMS, user, Stream(user, secrets.token_hex(8)))
        return {user: self.rows.get(STREAMS, user) for user in users}

    async def known(
        self, keys: Collection[tuple[UserId, str]]
    ) -> Mapping[tuple[UserId, str], tuple[int, ...]]:
        at = {key: self.rows.get(KEYS, key) for key in keys}
        return {
            (user, key): self.rows.get(ENTRIES, (user, seq)).refs
            for (user, key), seq in at.items()
            if seq is not None
        }

    async def add(self, entries: Sequence[tuple[StreamEntry, str | None]]) -> None:
        trace = traceparent.get()
        for entry, key in entries:
            stored = replace(entry, traceparent=trace) if trace else entry
            self.rows.put(ENTRIES, (entry.user, entry.seq), stored)
            if key is not None:
                self.rows.put(KEYS, (entry.user, key), entry.seq)
                self.rows.put(KEY_OF, (entry.user, entry.seq), key)

    async def save(self, streams: Collection[Stream]) -> None:
        for stream in streams:
            self.rows.put(STREAMS, stream.user, stream)

    async def remove(self, user: UserId, seqs: Collection[int]) -> Sequence[tuple[int, NotificationKind]]:
        removed: list[tuple[int, NotificationKind]] = []
        for seq in sorted(set(seqs)):
            entry: StreamEntry | None = self.rows.get(ENTRIES, (user, seq))
            if entry is not None and entry.is_notification and isinstance(entry.type, NotificationKind):
                removed.append((seq, entry.type))
                hole = replace(entry, actor=None, post=None, removed=True)
                self.rows.put(ENTRIES, (user, seq), hole)
        return removed

    async def unread_between(self, user: UserId, above: int, up_to: int) -> Mapping[NotificationKind, int]:
        found = (entry for entry in notifications(self.rows, user) if above < entry.seq <= up_to)
        return Counter(entry.type for entry in found if isinstance(entry.type, NotificationKind))

    async def newest_up_to(self, user: UserId, seq: int) -> int:
        return next((entry.seq for entry in notifications(self.rows, user) if entry.seq <= seq), 0)

    async def cut(self, user: UserId, floor: int) -> None:
        stream: Stream | None = self.rows.get(STREAMS, user)
        for seq in range(stream.floor, floor) if stream else ():
            self.rows.delete(ENTRIES, (user, seq))
            if key := self.rows.get(KEY_OF, (user, seq)):
                self.rows.delete(KEYS, (user, key))
                self.rows.delete(KEY_OF, (user, seq))

    async def set_preferences(self, user: UserId, preferences: Preferences) -> None:
        self.rows.put(PREFERENCES, user, preferences)

    async def preferences(self, users: Collection[UserId]) -> Mapping[UserId, Preferences]:
        return {user: self.rows.get(PREFERENCES, user) or Preferences() for user in users}

    async def schedule_mail(self, user: UserId, seq: int, due: datetime) -> None:
        row: DueRow = self.rows.get(MAILS, user) or DueRow(user, seq, 0, due)
        due = max(row.due, due) if row.last < row.since else row.due
        self.rows.put(MAILS, user, replace(row, last=seq, due=due))

    async def delete(self, user: UserId) -> None:
        stream: Stream | None = self.rows.get(STREAMS, user)
        if stream:
            await self.cut(user, stream.head + 1)
        for table in (STREAMS, PREFERENCES, MAILS):
            self.rows.delete(table, user)
        for digest, (ticket, _expires) in self.rows.items(TICKETS):
            if ticket.user == user:
                self.rows.delete(TICKETS, digest)


def transactions(store: Store) -> OpenTx[NotificationsTx]:
    return store.transactions(lambda rows: NotificationsTx(MemoryStreams(rows)))
