"""Reading media outside of transactions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Integer, bindparam, or_, select

from adapters.sql.database import Database
from adapters.sql.media.rows import MEDIA, media_of
from adapters.sql.media.tables import STALE, media, uploads
from adapters.sql.metadata import Id, IdList, among, millis
from adapters.sql.statements import Prepared
from application.media.ports import ExpiredTicket
from domain.media import Media
from domain.shared import MediaId, SessionId

_n = bindparam("n", type_=Integer)
_some = Prepared(select(*MEDIA).where(among(media.c.id, bindparam("ids", type_=IdList))))
_stale = Prepared(
    select(*MEDIA)
    .where(STALE, or_(media.c.deleted, media.c.id < bindparam("before", type_=Id)))
    .order_by(media.c.id)
    .limit(_n)
)
_ticket_session = Prepared(
    select(uploads.c.session_id).where(uploads.c.media_id == bindparam("which", type_=Id))
)
_ended = Prepared(
    select(uploads.c.media_id, uploads.c.secret, uploads.c.session_id, uploads.c.ticket_until)
    .where(uploads.c.look_at <= bindparam("now", type_=Id))
    .order_by(uploads.c.look_at, uploads.c.media_id)
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

    async def ticket_session(self, media_id: MediaId) -> SessionId | None:
        rows = await self.database.fetch(_ticket_session, which=media_id)
        return SessionId(rows[0][0]) if rows and rows[0][0] is not None else None

    async def expired_tickets(self, now: datetime, limit: int) -> Sequence[ExpiredTicket]:
        return [
            ExpiredTicket(MediaId(id_), secret, SessionId(session), datetime.fromtimestamp(until / 1000, UTC))
            for id_, secret, session, until in await self.database.fetch(_ended, now=millis(now), n=limit)
        ]

    async def all_after(self, after: MediaId, limit: int) -> Sequence[Media]:
        return [media_of(row) for row in await self.database.fetch(_all, above=after, n=limit)]
