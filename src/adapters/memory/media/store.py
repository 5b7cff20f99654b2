"""Reading and changing media, in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from adapters.memory.outbox import MemoryIdempotency, MemoryOutbox
from adapters.memory.store import Draft, Rows, Store
from application.media.ports import MediaTx, Used
from application.shared.ports import Clock, NewId, OpenTx
from domain.media import Media, MediaNotFound
from domain.shared import MediaId, PostId, UserId

MEDIA = "media"
LEASES = "media_jobs"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MemoryMediaStore:
    rows: Draft
    now: Clock

    async def lock_owner(self, owner: UserId) -> Used:
        mine = [one for one in self.rows.all(MEDIA) if one.owner == owner]
        begin = self.now() - _DAY
        return Used(sum(one.bytes for one in mine), sum(one.created_at >= begin for one in mine))

    async def add(self, media: Media) -> None:
        self.rows.put(MEDIA, media.id, media)

    async def get(self, media_id: MediaId) -> Media:
        media: Media | None = self.rows.get(MEDIA, media_id)
        if media is None:
            raise MediaNotFound("no such media")
        return media

    async def save(self, media: Media) -> None:
        if self.rows.get(MEDIA, media.id) is not None:
            self.rows.put(MEDIA, media.id, media)

    async def forget(self, media_id: MediaId) -> None:
        self.rows.delete(MEDIA, media_id)
        self.rows.delete(LEASES, media_id)

    async def of_post(self, post: PostId) -> Sequence[Media]:
        return [one for one in in_order(self.rows) if one.post == post]

    async def of_owner(self, owner: UserId, after: MediaId, limit: int) -> Sequence[Media]:
        mine = (one for one in in_order(self.rows) if one.owner == owner and not one.deleted)
        return [one for one in mine if one.id > after][:limit]


def in_order(rows: Rows) -> list[Media]:
    return sorted(rows.all(MEDIA), key=lambda one: int(one.id))


@dataclass(frozen=True, slots=True)
class MemoryMediaReader:
    store: Store

    async def media(self, ids: Collection[MediaId]) -> Mapping[MediaId, Media]:
        found = {id_: self.store.get(MEDIA, id_) for id_ in ids}
        return {id_: media for id_, media in found.items() if media is not None}

    async def stale(self, before: MediaId, limit: int) -> Sequence[Media]:
        return [one for one in in_order(self.store) if one.deleted or (one.post is None and one.id < before)][
            :limit
        ]

    async def all_after(self, after: MediaId, limit: int) -> Sequence[Media]:
        return [one for one in in_order(self.store) if one.id > after][:limit]


def transactions(store: Store, new_id: NewId, now: Clock) -> OpenTx[MediaTx]:
    return store.transactions(
        lambda rows: MediaTx(MemoryMediaStore(rows, now), MemoryOutbox(rows, new_id), MemoryIdempotency(rows))
    )
