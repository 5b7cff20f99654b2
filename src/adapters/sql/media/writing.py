"""Changing media, within transactions."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, case, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotency
from adapters.sql.media.rows import MEDIA, media_of, row_of
from adapters.sql.media.tables import media
from adapters.sql.metadata import Id, now_ms
from adapters.sql.outbox import SqlOutbox
from application.media.ports import MediaTx, Used
from application.shared.ports import NewId, OpenTx
from domain.media import Media, MediaNotFound
from domain.shared import MediaId, PostId, UserId

_DAY_MS = 24 * 60 * 60 * 1000
_which = bindparam("which", type_=Id)
_owner = bindparam("owner", type_=Id)
_locked = select(*MEDIA).order_by(media.c.id).with_for_update()
_get = _locked.where(media.c.id == _which)
_of_post = _locked.where(media.c.post_id == bindparam("post", type_=Id))
_of_owner = _locked.where(
    media.c.owner_id == _owner, media.c.id > bindparam("above", type_=Id), media.c.deleted.is_(False)
).limit(bindparam("n", type_=Integer))
# Whoever counts waits for who counted before; an id is a key of a lock that nothing else is called by.
_lock_owner = text("SELECT pg_advisory_xact_lock(:owner)").bindparams(bindparam("owner", type_=Id))
_is_of_today = media.c.id >= (now_ms() - _DAY_MS) * 65536
_used = select(
    func.coalesce(func.sum(media.c.bytes), 0), func.coalesce(func.sum(case((_is_of_today, 1), else_=0)), 0)
).where(media.c.owner_id == _owner)
_add = insert(media)
_save = update(media).where(media.c.id == _which)
_forget = delete(media).where(media.c.id == _which)


@dataclass(frozen=True, slots=True)
class SqlMediaStore:
    connection: AsyncConnection

    async def lock_owner(self, owner: UserId) -> Used:
        if self.connection.dialect.name == "postgresql":  # SQLite has one writer
            await self.connection.execute(_lock_owner, {"owner": owner})
        size, files = (await self.connection.execute(_used, {"owner": owner})).one()
        return Used(int(size), int(files))

    async def add(self, one: Media) -> None:
        job = {"due_at": 0, "leased_until": 0, "attempts": 0}
        await self.connection.execute(_add, {"id": one.id, **row_of(one), **job})

    async def get(self, media_id: MediaId) -> Media:
        row = (await self.connection.execute(_get, {"which": media_id})).one_or_none()
        if row is None:
            raise MediaNotFound("no such media")
        return media_of(row)

    async def save(self, one: Media) -> None:
        await self.connection.execute(_save.values(row_of(one)), {"which": one.id})

    async def forget(self, media_id: MediaId) -> None:
        await self.connection.execute(_forget, {"which": media_id})

    async def of_post(self, post: PostId) -> Sequence[Media]:
        return [media_of(row) for row in await self.connection.execute(_of_post, {"post": post})]

    async def of_owner(self, owner: UserId, after: MediaId, limit: int) -> Sequence[Media]:
        found = await self.connection.execute(_of_owner, {"owner": owner, "above": after, "n": limit})
        return [media_of(row) for row in found]


def transactions(database: Database, new_id: NewId) -> OpenTx[MediaTx]:
    return database.transactions(
        lambda connection: MediaTx(
            SqlMediaStore(connection), SqlOutbox(connection, new_id), SqlIdempotency(connection)
        )
    )
