"""Reading posts, outside of transactions."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    bindparam,
    false,
    func,
    literal_column,
    select,
    true,
    union_all,
)

from adapters.sql.database import Database, Prepared, Row
from adapters.sql.metadata import Id, IdList, among, instant, one_of
from adapters.sql.posts.entities import load_entities
from adapters.sql.posts.tables import bookmarks, likes, post_edits, posts, reposts
from adapters.sql.posts.visibility import has_row, is_tombstone, listed, standing_params, visible
from application.posts.ports import PostRow, Tombstone, VersionRow
from application.shared.paging import Window
from domain.posts import Standing, Visibility
from domain.shared import MAX_ID, PostId, UserId, made_at

COLUMNS = (
    posts.c.id,
    posts.c.author_id,
    posts.c.text,
    posts.c.visibility,
    posts.c.content_warning,
    posts.c.language,
    posts.c.reply_to,
    posts.c.edited_at,
    posts.c.version,
    posts.c.comments,
    posts.c.likes,
    posts.c.reposts,
    posts.c.pin,
    posts.c.mentioned,
    posts.c.entities,
    has_row(likes).label("liked"),
    has_row(reposts).label("reposted"),
    has_row(bookmarks).label("bookmarked"),
)
"""What `read` takes."""
_READ = select(*COLUMNS).where(visible())
_PLACES = select(*COLUMNS, posts.c.deleted)
"""Rows of a thread, some of them tombstones."""


class Keyset:
    """A list in the order of `key`, an id, that can be read from an edge in both directions."""

    def __init__(self, query: Select[Any], key: ColumnElement[int], *, newest_first: bool) -> None:
        edge, limit = bindparam("edge", type_=Id), bindparam("n", type_=Integer)
        self._newest_first = newest_first
        self._falling = Prepared(query.where(key < edge).order_by(key.desc()).limit(limit))
        self._rising = Prepared(query.where(key > edge).order_by(key).limit(limit))

    async def rows(self, database: Database, window: Window, params: dict[str, Any]) -> Sequence[Row]:
        falling = self._newest_first != window.back
        edge = window.edge if window.edge is not None else MAX_ID if falling else 0
        statement = self._falling if falling else self._rising
        rows = await database.fetch(statement, edge=edge, n=window.limit + 1, **params)
        return rows[::-1] if window.back else rows


_post_id = bindparam("post_id", type_=Id)
_one = Prepared(_READ.where(posts.c.id == bindparam("post_id", type_=Id)))
_by_author = Keyset(
    _READ.where(posts.c.author_id == bindparam("author", type_=Id), posts.c.reply_to.is_(None)),
    posts.c.id,
    newest_first=True,
)
_by_ids = Prepared(_READ.where(among(posts.c.id, bindparam("ids", type_=IdList))))
_comments = Keyset(_PLACES.where(listed(_post_id)), posts.c.id, newest_first=False)
_tombstone = Prepared(select(posts.c.id, posts.c.reply_to).where(posts.c.id == _post_id, is_tombstone()))

# Each of some posts, and its first answers, looked up one by one: what a popular post has more of is not read.
_above, _below = posts.alias("above"), posts.alias("below")
_is_above = among(_above.c.id, bindparam("ids", type_=IdList))
_first = (
    select(_below.c.id)
    .where(listed(_above.c.id, _below))
    .order_by(_below.c.id)
    .limit(bindparam("each", type_=Integer))
    .correlate(_above)
    .scalar_subquery()
)
_answers = Prepared(
    _PLACES.join_from(_above, posts, one_of(posts.c.id, _first))
    .where(_is_above)
    .order_by(posts.c.id)
    .limit(bindparam("n", type_=Integer))
)
_any = select(true()).where(listed(_above.c.id, _below)).limit(literal_column("1")).correlate(_above)
_answered = Prepared(select(_above.c.id).where(_is_above, func.coalesce(_any.scalar_subquery(), false())))

_up = (
    select(posts.c.id, posts.c.reply_to, literal_column("0").label("height"))
    .where(posts.c.id == _post_id)
    .cte("up", recursive=True)
)
_up = _up.union_all(
    select(posts.c.id, posts.c.reply_to, _up.c.height + literal_column("1"))
    .join_from(_up, posts, posts.c.id == _up.c.reply_to)
    .where(_up.c.height < bindparam("n", type_=Integer))
)
_ancestors = Prepared(
    select(_up.c.id, _up.c.reply_to).where(_up.c.height > literal_column("0")).order_by(_up.c.height)
)

_versions = union_all(
    select(
        post_edits.c.version,
        post_edits.c.text,
        post_edits.c.content_warning,
        post_edits.c.language,
        post_edits.c.created_at,
        post_edits.c.entities,
    )
    .join_from(post_edits, posts, posts.c.id == post_edits.c.post_id)
    .where(post_edits.c.post_id == _post_id, visible()),
    select(
        posts.c.version,
        posts.c.text,
        posts.c.content_warning,
        posts.c.language,
        posts.c.edited_at,
        posts.c.entities,
    ).where(posts.c.id == _post_id, visible()),
).subquery()
_history = Keyset(select(_versions), _versions.c.version, newest_first=False)


@dataclass(frozen=True, slots=True)
class SqlPostsReader:
    database: Database

    async def post(self, post_id: PostId, standing: Standing) -> PostRow | None:
        rows = await self.database.fetch(_one, post_id=post_id, **standing_params(standing))
        return read(rows[0]) if rows else None

    async def by_ids(self, ids: Collection[PostId], standing: Standing) -> Mapping[PostId, PostRow]:
        rows = await self.database.fetch(_by_ids, ids=[*ids], **standing_params(standing))
        return {row[0]: read(row) for row in rows}

    async def by_author(self, author: UserId, window: Window, standing: Standing) -> Sequence[PostRow]:
        params = {"author": author, **standing_params(standing)}
        return [read(row) for row in await _by_author.rows(self.database, window, params)]

    async def comments(
        self, post_id: PostId, window: Window, standing: Standing
    ) -> Sequence[PostRow | Tombstone]:
        params = {"post_id": post_id, **standing_params(standing)}
        return [_place(row) for row in await _comments.rows(self.database, window, params)]

    async def tombstone(self, post_id: PostId) -> Tombstone | None:
        rows = await self.database.fetch(_tombstone, post_id=post_id)
        return Tombstone(*rows[0]) if rows else None

    async def answers(
        self, ids: Collection[PostId], each: int, limit: int, standing: Standing
    ) -> Sequence[PostRow | Tombstone]:
        params = standing_params(standing)
        rows = await self.database.fetch(_answers, ids=[*ids], each=each, n=limit, **params)
        return [_place(row) for row in rows]

    async def answered(self, ids: Collection[PostId], standing: Standing) -> Collection[PostId]:
        rows = await self.database.fetch(_answered, ids=[*ids], **standing_params(standing))
        return {row[0] for row in rows}

    async def ancestors(self, post_id: PostId, limit: int) -> Sequence[Tombstone]:
        rows = await self.database.fetch(_ancestors, post_id=post_id, n=limit)
        return [Tombstone(*row) for row in rows]

    async def versions(self, post_id: PostId, window: Window, standing: Standing) -> Sequence[VersionRow]:
        params = {"post_id": post_id, **standing_params(standing)}
        rows = await _history.rows(self.database, window, params)
        return [_version(post_id, row) for row in rows]


def _place(row: Row) -> PostRow | Tombstone:
    return Tombstone(row[0], row[6]) if row[-1] else read(row[:-1])


def _version(post_id: PostId, row: Row) -> VersionRow:
    version, text, warning, language, at, entities = row
    created_at = made_at(post_id) if at is None else instant(at)
    return VersionRow(version, text, warning, language, created_at, load_entities(entities))


_VISIBILITY = {visibility.value: visibility for visibility in Visibility}


def read(row: Row) -> PostRow:
    """The row of COLUMNS."""
    (
        id_,
        author,
        text,
        visibility,
        warning,
        language,
        reply_to,
        edited,
        version,
        comments,
        liked_by,
        reposted_by,
        pin,
        named,
        entities,
        liked,
        reposted,
        bookmarked,
    ) = row
    return PostRow(
        id_,
        author,
        text,
        _VISIBILITY[visibility],
        warning,
        language,
        reply_to,
        None if edited is None else instant(edited),
        version,
        comments,
        liked_by,
        reposted_by,
        pin is not None,
        () if named == "[]" else tuple(json.loads(named)),
        bool(liked),
        bool(reposted),
        bool(bookmarked),
        load_entities(entities),
    )
