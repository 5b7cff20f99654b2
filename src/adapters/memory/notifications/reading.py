"""Reads streams, outside of transactions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.memory.notifications.rows import ENTRIES, PREFERENCES, STREAMS, notifications
from adapters.memory.paging import window_of
from adapters.memory.store import Store
from application.notifications.ports import NotificationRef
from application.shared.paging import Window
from domain.notifications import MAX_STREAM_ENTRIES, NotificationKind, Preferences, Stream, StreamEntry
from domain.shared import PostId, UserId, made_at


@dataclass(frozen=True, slots=True)
class MemoryStreamReader:
    store: Store

    async def stream(self, user: UserId) -> Stream | None:
        found: Stream | None = self.store.get(STREAMS, user)
        return found

    async def after(self, user: UserId, seq: int, limit: int) -> Sequence[StreamEntry]:
        stream = await self.stream(user)
        last = min(stream.head, seq + limit) if stream else seq
        found = (self.store.get(ENTRIES, (user, number)) for number in range(seq + 1, last + 1))
        return [entry for entry in found if entry is not None]

    async def latest(
        self, user: UserId, window: Window, kinds: Collection[NotificationKind]
    ) -> Sequence[StreamEntry]:
        found = notifications(self.store, user, kinds)
        return window_of(found, window, lambda entry: entry.seq, newest_first=True)

    async def entry(self, user: UserId, seq: int) -> StreamEntry | None:
        entry: StreamEntry | None = self.store.get(ENTRIES, (user, seq))
        return entry if entry is not None and entry.is_notification else None

    async def heads(self, users: Collection[UserId]) -> Mapping[UserId, int]:
        streams: list[Stream | None] = [self.store.get(STREAMS, user) for user in users]
        return {stream.user: stream.head for stream in streams if stream}

    async def users(self, after: UserId, limit: int) -> Sequence[UserId]:
        return sorted(stream.user for stream in self.store.all(STREAMS) if stream.user > after)[:limit]

    async def preferences(self, user: UserId) -> Preferences:
        return self.store.get(PREFERENCES, user) or Preferences()

    async def about_post(self, post: PostId, limit: int) -> Sequence[NotificationRef]:
        return self._refs(lambda entry: entry.post == post)[:limit]

    async def by_actor(self, actor: UserId, limit: int) -> Sequence[NotificationRef]:
        return self._refs(lambda entry: entry.actor == actor)[:limit]

    async def between(
        self,
        user: UserId,
        actor: UserId,
        kinds: Collection[NotificationKind] = tuple(NotificationKind),
        post: PostId | None = None,
    ) -> Sequence[NotificationRef]:
        return [
            NotificationRef(user, entry.seq, entry.type)
            for entry in notifications(self.store, user, kinds)
            if entry.actor == actor
            and (post is None or entry.post == post)
            and isinstance(entry.type, NotificationKind)
        ]

    async def streams_to_trim(self, before: datetime, limit: int) -> Sequence[tuple[UserId, int]]:
        found: list[tuple[UserId, int]] = []
        for stream in self.store.all(STREAMS):
            floor = max(stream.floor, stream.head - MAX_STREAM_ENTRIES + 1)
            while floor <= stream.head and made_at(self.store.get(ENTRIES, (stream.user, floor)).id) < before:
                floor += 1
            if floor > stream.floor:
                found.append((stream.user, floor))
        return found[:limit]

    def _refs(self, chosen: Callable[[StreamEntry], bool]) -> list[NotificationRef]:
        return [
            NotificationRef(entry.user, entry.seq, entry.type)
            for entry in self.store.all(ENTRIES)
            if entry.is_notification and chosen(entry)
        ]
