"""Reading and changing media in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adapters.memory.outbox import MemoryIdempotency, MemoryOutbox
from adapters.memory.store import Draft, Rows, Store
from application.media.ports import ExpiredTicket, MediaTx, QuotaUsage
from application.shared.ports import Clock, NewId, OpenTx
from domain.media import Media, MediaNotFound
from domain.shared import MediaId, PostId, SessionId, UserId, made_at

MEDIA = "media"
LEASES = "media_jobs"
UPLOADS = "media_uploads"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """The record of an upload, which outlives its media."""

    id: MediaId
    owner: UserId
    secret: str
    bytes: int
    session: SessionId | None = None
    until: datetime | None = None
    check_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MemoryMediaStore:
    rows: Draft
    now: Clock

    async def lock_owner(self, owner: UserId) -> QuotaUsage:
        begin = self.now() - _DAY
        older = [one for one in self.rows.all(MEDIA) if one.owner == owner and one.created_at < begin]
        today = [one for one in self.rows.all(UPLOADS) if one.owner == owner and made_at(one.id) >= begin]
        return QuotaUsage(sum(one.bytes for one in (*older, *today)), len(today))

    async def add(self, media: Media) -> None:
        self.rows.put(MEDIA, media.id, media)
        self.rows.put(UPLOADS, media.id, UploadRecord(media.id, media.owner, media.secret, media.bytes))

    async def record_ticket(
        self, media_id: MediaId, session: SessionId, until: datetime, check_at: datetime
    ) -> None:
        record: UploadRecord = self.rows.get(UPLOADS, media_id)
        self.rows.put(UPLOADS, media_id, replace(record, session=session, until=until, check_at=check_at))

    async def record_check(self, media_id: MediaId, next_check: datetime | None) -> None:
        record: UploadRecord | None = self.rows.get(UPLOADS, media_id)
        if record is not None:
            self.rows.put(UPLOADS, media_id, replace(record, check_at=next_check))

    async def anonymise_uploads(self, owner: UserId) -> None:
        for record in self.rows.all(UPLOADS):
            if record.owner == owner:
                self.rows.put(UPLOADS, record.id, replace(record, owner=UserId(0)))

    async def purge_upload_records(self, before: MediaId) -> None:
        for record in self.rows.all(UPLOADS):
            if record.id < before and record.check_at is None:
                self.rows.delete(UPLOADS, record.id)

    async def get(self, media_id: MediaId) -> Media:
        media: Media | None = self.rows.get(MEDIA, media_id)
        if media is None:
            raise MediaNotFound("no such media")
        return media

    async def save(self, media: Media) -> None:
        if self.rows.get(MEDIA, media.id) is not None:
            self.rows.put(MEDIA, media.id, media)

    async def delete(self, media_id: MediaId) -> None:
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

    async def ticket_session(self, media_id: MediaId) -> SessionId | None:
        record: UploadRecord | None = self.store.get(UPLOADS, media_id)
        return None if record is None else record.session

    async def expired_tickets(self, now: datetime, limit: int) -> Sequence[ExpiredTicket]:
        due = [one for one in self.store.all(UPLOADS) if one.check_at is not None and one.check_at <= now]
        due.sort(key=lambda one: (one.check_at, one.id))
        return [
            ExpiredTicket(one.id, one.secret, one.session, one.until)
            for one in due[:limit]
            if one.session is not None and one.until is not None
        ]

    async def all_after(self, after: MediaId, limit: int) -> Sequence[Media]:
        return [one for one in in_order(self.store) if one.id > after][:limit]


def transactions(store: Store, new_id: NewId, now: Clock) -> OpenTx[MediaTx]:
    return store.transactions(
        lambda rows: MediaTx(MemoryMediaStore(rows, now), MemoryOutbox(rows, new_id), MemoryIdempotency(rows))
    )
