"""Reading posts, outside of transactions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Integer,
    bindparam,
    false,
    func,
    literal_column,
    select,
    true,
    union_all,
)

from adapters.sql.database import Database, Row
from adapters.sql.keyset import Keyset
from adapters.sql.metadata import Id, IdList, among, instant, one_of
from adapters.sql.posts.json_columns import load_entities
from adapters.sql.posts.parts import (
    VIEW_COLUMNS,
    read_view,
    read_views,
    record_shown,
    state_in,
    view_in,
)
from adapters.sql.posts.row_triggers import AUTHOR, EXPOSED, MENTIONED, POST, REPLIES, SOURCE
from adapters.sql.posts.tables import post_edits, posts
from adapters.sql.posts.visibility import for_author, is_tombstone, listed, viewer_params, visible
from adapters.sql.statements import Prepared
from application.posts.ports import PostVersion, Tombstone
from application.posts.views import PostView
from application.shared.paging import Window
from application.shared.readings import Key, rows_of
from domain.shared import PostId, UserId, ViewerContext, made_at

_READ = select(*VIEW_COLUMNS).where(visible())
_PLACES = select(*VIEW_COLUMNS)
"""Posts of a thread, some of which are shown as tombstones."""


_post_id = bindparam("post_id", type_=Id)
_by_author = Keyset(
    _READ.where(posts.c.author_id == bindparam("author", type_=Id), posts.c.reply_to.is_(None)),
    posts.c.id,
    newest_first=True,
)
_comments = Keyset(_PLACES.where(listed(_post_id)), posts.c.id, newest_first=False)
_tombstone = Prepared(select(posts.c.id, posts.c.reply_to).where(posts.c.id == _post_id, is_tombstone()))

# The first replies to each of some posts, looked up per post: the many replies to a popular post are not all read.
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
_replies = Prepared(
    _PLACES.join_from(_above, posts, one_of(posts.c.id, _first))
    .where(_is_above)
    .order_by(posts.c.id)
    .limit(bindparam("n", type_=Integer))
)
_any = select(true()).where(listed(_above.c.id, _below)).limit(literal_column("1")).correlate(_above)
_with_replies = Prepared(select(_above.c.id).where(_is_above, func.coalesce(_any.scalar_subquery(), false())))

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

    async def post(self, post_id: PostId, viewer_context: ViewerContext) -> PostView | None:
        return await read_view(self.database, post_id, viewer_context)

    async def by_ids(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> Mapping[PostId, PostView]:
        return await read_views(self.database, ids, viewer_context)

    async def by_author(
        self, author: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostView]:
        params = {"author": author, **viewer_params(for_author(author, viewer_context))}
        with rows_of([(SOURCE, author), (AUTHOR, author), *_mentions(viewer_context)]):
            rows = await _by_author.rows(self.database, window, params)
        record_shown(rows, viewer_context.viewer)
        return [view_in(row) for row in rows]

    async def comments(
        self, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostView | Tombstone]:
        params = {"post_id": post_id, **viewer_params(viewer_context)}
        with rows_of([(REPLIES, post_id), (EXPOSED,), *_mentions(viewer_context)]):
            rows = await _comments.rows(self.database, window, params)
        record_shown(rows, viewer_context.viewer)
        return [_place(row) for row in rows]

    async def tombstone(self, post_id: PostId) -> Tombstone | None:
        with rows_of([(POST, post_id)]):
            rows = await self.database.fetch(_tombstone, post_id=post_id)
        return Tombstone(*rows[0]) if rows else None

    async def replies(
        self, ids: Collection[PostId], each: int, limit: int, viewer_context: ViewerContext
    ) -> Sequence[PostView | Tombstone]:
        params = viewer_params(viewer_context)
        rows = await self.database.fetch(_replies, ids=[*ids], each=each, n=limit, **params)
        return [_place(row) for row in rows]

    async def with_replies(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> Collection[PostId]:
        rows = await self.database.fetch(_with_replies, ids=[*ids], **viewer_params(viewer_context))
        return {row[0] for row in rows}

    async def ancestors(self, post_id: PostId, limit: int) -> Sequence[Tombstone]:
        rows = await self.database.fetch(_ancestors, post_id=post_id, n=limit)
        return [Tombstone(*row) for row in rows]

    async def versions(
        self, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostVersion]:
        params = {"post_id": post_id, **viewer_params(viewer_context)}
        rows = await _history.rows(self.database, window, params)
        return [_version(post_id, row) for row in rows]


def _mentions(viewer_context: ViewerContext) -> Sequence[Key]:
    """The keys of the posts that mention the viewer, who may see them for that."""
    viewer = viewer_context.viewer
    return () if viewer is None else ((MENTIONED, viewer),)


def _place(row: Row) -> PostView | Tombstone:
    state = state_in(row)
    return Tombstone(state.id, state.reply_to) if state.deleted else view_in(row)


def _version(post_id: PostId, row: Row) -> PostVersion:
    version, text, warning, language, at, entities = row
    created_at = made_at(post_id) if at is None else instant(at)
    return PostVersion(version, text, warning, language, created_at, load_entities(entities))
