"""Reads streams, outside of transactions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, func, literal_column, select

from adapters.sql.database import Database
from adapters.sql.keyset import Keyset
from adapters.sql.metadata import Id, IdList, among, millis
from adapters.sql.notifications.rows import (
    ENTRY,
    KINDS,
    STREAM,
    entry_of,
    notification,
    preferences_of,
    stream_of,
    user_id,
)
from adapters.sql.notifications.tables import entries, preferences, streams
from adapters.sql.statements import Prepared
from application.notifications.ports import NotificationRef
from application.shared.paging import Window
from domain.notifications import MAX_STREAM_ENTRIES, NotificationKind, Preferences, Stream, StreamEntry
from domain.shared import PostId, UserId

_n = bindparam("n", type_=Integer)
_seq = bindparam("seq", type_=Id)
_stream = Prepared(select(*STREAM).where(streams.c.user_id == user_id))
_after = Prepared(
    select(*ENTRY).where(entries.c.user_id == user_id, entries.c.seq > _seq).order_by(entries.c.seq).limit(_n)
)
_mine = select(*ENTRY).where(entries.c.user_id == user_id, notification())
_latest = Keyset(_mine, entries.c.seq, newest_first=True)
_entry = Prepared(_mine.where(entries.c.seq == _seq))
_heads = Prepared(
    select(streams.c.user_id, streams.c.head).where(
        among(streams.c.user_id, bindparam("users", type_=IdList))
    )
)
_users = Prepared(
    select(streams.c.user_id)
    .where(streams.c.user_id > bindparam("above", type_=Id))
    .order_by(streams.c.user_id)
    .limit(_n)
)
_preferences = Prepared(select(preferences.c.changed).where(preferences.c.user_id == user_id))

_REF = (entries.c.user_id, entries.c.seq, entries.c.type)
_about = Prepared(
    select(*_REF).where(entries.c.post_id == bindparam("post", type_=Id), notification()).limit(_n)
)
_of_actor = Prepared(
    select(*_REF).where(entries.c.actor_id == bindparam("actor", type_=Id), notification()).limit(_n)
)
_between = Prepared(
    select(*_REF, entries.c.post_id)
    .where(entries.c.user_id == user_id, entries.c.actor_id == bindparam("actor", type_=Id), notification())
    .order_by(entries.c.seq.desc())
)
_old = (
    select(entries.c.user_id, entries.c.seq)
    .where(entries.c.id < bindparam("before", type_=Id))
    .order_by(entries.c.id)
    .limit(literal_column("10000"))
    .subquery("old")
)
_too_old = Prepared(
    select(_old.c.user_id, func.max(_old.c.seq) + literal_column("1")).group_by(_old.c.user_id).limit(_n)
)
_too_long = Prepared(
    select(streams.c.user_id, streams.c.head - literal_column(str(MAX_STREAM_ENTRIES - 1)))
    .where(streams.c.head - streams.c.floor >= literal_column(str(MAX_STREAM_ENTRIES)))
    .limit(_n)
)


@dataclass(frozen=True, slots=True)
class SqlStreamReader:
    database: Database

    async def stream(self, user: UserId) -> Stream | None:
        rows = await self.database.fetch(_stream, user=user)
        return stream_of(rows[0]) if rows else None

    async def after(self, user: UserId, seq: int, limit: int) -> Sequence[StreamEntry]:
        return [entry_of(row) for row in await self.database.fetch(_after, user=user, seq=seq, n=limit)]

    async def latest(
        self, user: UserId, window: Window, kinds: Collection[NotificationKind]
    ) -> Sequence[StreamEntry]:
        rows = await _latest.rows(self.database, window, {"user": user, "kinds": _names(kinds)})
        return [entry_of(row) for row in rows]

    async def entry(self, user: UserId, seq: int) -> StreamEntry | None:
        rows = await self.database.fetch(_entry, user=user, seq=seq, kinds=KINDS)
        return entry_of(rows[0]) if rows else None

    async def heads(self, users: Collection[UserId]) -> Mapping[UserId, int]:
        rows = await self.database.fetch(_heads, users=[*users])
        return {UserId(user): head for user, head in rows}

    async def users(self, after: UserId, limit: int) -> Sequence[UserId]:
        return [UserId(user) for (user,) in await self.database.fetch(_users, above=after, n=limit)]

    async def preferences(self, user: UserId) -> Preferences:
        rows = await self.database.fetch(_preferences, user=user)
        return preferences_of(rows[0][0]) if rows else Preferences()

    async def about_post(self, post: PostId, limit: int) -> Sequence[NotificationRef]:
        return _refs(await self.database.fetch(_about, post=post, kinds=KINDS, n=limit))

    async def by_actor(self, actor: UserId, limit: int) -> Sequence[NotificationRef]:
        return _refs(await self.database.fetch(_of_actor, actor=actor, kinds=KINDS, n=limit))

    async def between(
        self,
        user: UserId,
        actor: UserId,
        kinds: Collection[NotificationKind] = tuple(NotificationKind),
        post: PostId | None = None,
    ) -> Sequence[NotificationRef]:
        rows = await self.database.fetch(_between, user=user, actor=actor, kinds=_names(kinds))
        return _refs([row[:3] for row in rows if post is None or row[3] == post])

    async def streams_to_trim(self, before: datetime, limit: int) -> Sequence[tuple[UserId, int]]:
        floors: dict[UserId, int] = {}
        # Few streams are too long, so there is no index for them: it would slow down every notification.
        long = await self.database.fetch_slow(_too_long, n=limit)
        old = await self.database.fetch_slow(_too_old, before=millis(before) << 16, n=limit)
        for user, floor in (*long, *old):
            floors[UserId(user)] = max(floor, floors.get(UserId(user), 0))
        return [*floors.items()][:limit]


def _names(kinds: Collection[NotificationKind]) -> list[str]:
    return [kind.value for kind in kinds]


def _refs(rows: Sequence[Any]) -> Sequence[NotificationRef]:
    return [NotificationRef(UserId(user), seq, NotificationKind(type_)) for user, seq, type_ in rows]
