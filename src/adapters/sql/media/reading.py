"""Reading media, outside of transactions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, or_, select

from adapters.sql.database import Database, Prepared
from adapters.sql.media.rows import MEDIA, media_of
from adapters.sql.media.tables import STALE, media
from adapters.sql.metadata import Id, IdList, among
from domain.media import Media
from domain.shared import MediaId

_n = bindparam("n", type_=Integer)
_some = Prepared(select(*MEDIA).where(among(media.c.id, bindparam("ids", type_=IdList))))
_stale = Prepared(
    select(*MEDIA)
    .where(STALE, or_(media.c.deleted, media.c.id < bindparam("before", type_=Id)))
    .order_by(media.c.id)
    .limit(_n)
)
_all = Prepared(
    select(*MEDIA).where(media.c.id > bindparam("above", type_=Id)).order_by(media.c.id).limit(_n)
)


@dataclass(frozen=True, slots=True)
class SqlMediaReader:
    database: Database

    async def media(self, ids: Collection[MediaId]) -> Mapping[MediaId, Media]:
        if not ids:
            return {}
        found = [media_of(row) for row in await self.database.fetch(_some, ids=[*ids])]
        return {one.id: one for one in found}

    async def stale(self, before: MediaId, limit: int) -> Sequence[Media]:
        return [media_of(row) for row in await self.database.fetch(_stale, before=before, n=limit)]

    async def all_after(self, after: MediaId, limit: int) -> Sequence[Media]:
        return [media_of(row) for row in await self.database.fetch(_all, above=after, n=limit)]
