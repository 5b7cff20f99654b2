"""Changing media within transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, bindparam, delete, func, insert, select, text, update

from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotency
from adapters.sql.media.rows import MEDIA, media_of, row_of
from adapters.sql.media.tables import media, uploads
from adapters.sql.metadata import Id, millis, now_ms
from adapters.sql.outbox import SqlOutbox
from adapters.sql.transactions import Transaction
from application.media.ports import MediaTx, QuotaUsage
from application.shared.ports import NewId, OpenTx
from domain.media import Media, MediaNotFound
from domain.shared import MediaId, PostId, SessionId, UserId

_DAY_MS = 24 * 60 * 60 * 1000
_which = bindparam("which", type_=Id)
_owner = bindparam("owner", type_=Id)
_locked = select(*MEDIA).order_by(media.c.id).with_for_update()
_get = _locked.where(media.c.id == _which)
_of_post = _locked.where(media.c.post_id == bindparam("post", type_=Id))
_of_owner = _locked.where(
    media.c.owner_id == _owner, media.c.id > bindparam("above", type_=Id), media.c.deleted.is_(False)
).limit(bindparam("n", type_=Integer))
# A transaction waits for earlier ones that count for the same owner. The id is the key of the lock, and no other lock uses it.
_lock_owner = text("SELECT pg_advisory_xact_lock(:owner)").bindparams(bindparam("owner", type_=Id))
_today = (now_ms() - _DAY_MS) * 65536
_older = select(func.coalesce(func.sum(media.c.bytes), 0)).where(
    media.c.owner_id == _owner, media.c.id < _today
)
_of_today = select(func.coalesce(func.sum(uploads.c.bytes), 0), func.count()).where(
    uploads.c.owner_id == _owner, uploads.c.media_id >= _today
)
_add = insert(media)
_add_record = insert(uploads)
_record_ticket = (
    update(uploads)
    .where(uploads.c.media_id == _which)
    .values({name: bindparam(f"new_{name}", type_=Id) for name in ("session_id", "ticket_until", "look_at")})
)
_record_check = (
    update(uploads).where(uploads.c.media_id == _which).values(look_at=bindparam("new_look_at", type_=Id))
)
_anonymise_uploads = update(uploads).where(uploads.c.owner_id == _owner).values(owner_id=0)
_purge_upload_records = delete(uploads).where(
    uploads.c.media_id < bindparam("before", type_=Id), uploads.c.look_at.is_(None)
)
_save = update(media).where(media.c.id == _which)
_delete = delete(media).where(media.c.id == _which)


@dataclass(frozen=True, slots=True)
class SqlMediaStore:
    transaction: Transaction

    async def lock_owner(self, owner: UserId) -> QuotaUsage:
        if self.transaction.dialect.name == "postgresql":  # SQLite has one writer
            await self.transaction.execute(_lock_owner, {"owner": owner})
        older = (await self.transaction.execute(_older, {"owner": owner})).scalar_one()
        size, files = (await self.transaction.execute(_of_today, {"owner": owner})).one()
        return QuotaUsage(int(older) + int(size), int(files))

    async def add(self, one: Media) -> None:
        job = {"due_at": 0, "leased_until": 0, "attempts": 0}
        await self.transaction.execute(_add, {"id": one.id, **row_of(one), **job})
        record = {"media_id": one.id, "owner_id": one.owner, "secret": one.secret, "bytes": one.bytes}
        await self.transaction.execute(_add_record, record)

    async def record_ticket(
        self, media_id: MediaId, session: SessionId, until: datetime, check_at: datetime
    ) -> None:
        values = {"session_id": session, "ticket_until": millis(until), "look_at": millis(check_at)}
        new = {f"new_{name}": value for name, value in values.items()}
        await self.transaction.execute(_record_ticket, {"which": media_id, **new})

    async def record_check(self, media_id: MediaId, next_check: datetime | None) -> None:
        look_at = None if next_check is None else millis(next_check)
        await self.transaction.execute(_record_check, {"which": media_id, "new_look_at": look_at})

    async def anonymise_uploads(self, owner: UserId) -> None:
        await self.transaction.execute(_anonymise_uploads, {"owner": owner})

    async def purge_upload_records(self, before: MediaId) -> None:
        await self.transaction.execute(_purge_upload_records, {"before": before})

    async def get(self, media_id: MediaId) -> Media:
        row = (await self.transaction.execute(_get, {"which": media_id})).one_or_none()
        if row is None:
            raise MediaNotFound("no such media")
        return media_of(row)

    async def save(self, one: Media) -> None:
        await self.transaction.execute(_save.values(row_of(one)), {"which": one.id})

    async def delete(self, media_id: MediaId) -> None:
        await self.transaction.execute(_delete, {"which": media_id})

    async def of_post(self, post: PostId) -> Sequence[Media]:
        return [media_of(row) for row in await self.transaction.execute(_of_post, {"post": post})]

    async def of_owner(self, owner: UserId, after: MediaId, limit: int) -> Sequence[Media]:
        found = await self.transaction.execute(_of_owner, {"owner": owner, "above": after, "n": limit})
        return [media_of(row) for row in found]


def transactions(database: Database, new_id: NewId) -> OpenTx[MediaTx]:
    return database.transactions(
        lambda transaction: MediaTx(
            SqlMediaStore(transaction), SqlOutbox(transaction, new_id), SqlIdempotency(transaction)
        )
    )
