"""Reading posts, outside of transactions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    bindparam,
    select,
)

from adapters.sql.database import Database, Prepared, Row
from adapters.sql.metadata import Id, instant
from adapters.sql.posts.tables import bookmarks, likes, posts, reposts
from adapters.sql.posts.visibility import has_row, standing_params, visible
from application.posts.ports import PostRow
from application.shared.paging import Window
from domain.posts import Standing, Visibility
from domain.shared import MAX_ID, PostId, UserId

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
    has_row(likes).label("liked"),
    has_row(reposts).label("reposted"),
    has_row(bookmarks).label("bookmarked"),
)
"""What `read` takes."""
_READ = select(*COLUMNS).where(visible())


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


_one = Prepared(_READ.where(posts.c.id == bindparam("post_id", type_=Id)))
_by_author = Keyset(
    _READ.where(posts.c.author_id == bindparam("author", type_=Id), posts.c.reply_to.is_(None)),
    posts.c.id,
    newest_first=True,
)
_comments = Keyset(
    _READ.where(posts.c.reply_to == bindparam("post_id", type_=Id)), posts.c.id, newest_first=False
)


@dataclass(frozen=True, slots=True)
class SqlPostsReader:
    database: Database

    async def post(self, post_id: PostId, standing: Standing) -> PostRow | None:
        rows = await self.database.fetch(_one, post_id=post_id, **standing_params(standing))
        return read(rows[0]) if rows else None

    async def by_author(self, author: UserId, window: Window, standing: Standing) -> Sequence[PostRow]:
        return await self._page(_by_author, window, {"author": author, **standing_params(standing)})

    async def comments(self, post_id: PostId, window: Window, standing: Standing) -> Sequence[PostRow]:
        return await self._page(_comments, window, {"post_id": post_id, **standing_params(standing)})

    async def _page(self, keyset: Keyset, window: Window, params: dict[str, Any]) -> Sequence[PostRow]:
        return [read(row) for row in await keyset.rows(self.database, window, params)]


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
    )
