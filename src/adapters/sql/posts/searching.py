"""Searching posts and hashtags: FTS5 on SQLite, tsvector with GIN on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    Subquery,
    Text,
    and_,
    bindparam,
    column,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from adapters.sql.database import Database, Row
from adapters.sql.keyset import Keyset
from adapters.sql.metadata import Id, IdList, among, one_of
from adapters.sql.posts.tables import FULL_TEXT, hashtags, post_words, posts, restricted_authors
from adapters.sql.posts.visibility import of_author, viewer_id
from adapters.sql.posts.words import match, tsquery
from adapters.sql.statements import Prepared
from application.posts.searching import COUNTED, FoundTag, TagWindow
from application.shared.paging import Window
from domain.posts.searching import PostQuery, by, plain_tag, tag_key, tagged
from domain.shared import MAX_ID, PostId, UserId, ViewerContext
from domain.words import Phrase

NEWEST = 5_000
"""Posts that PostgreSQL checks one by one before it uses its index, which returns all matches at once: a frequent word
is found among the newest posts, and a rare one has few matches."""

_for_everybody = and_(
    posts.c.deleted == false(),
    posts.c.visibility == literal_column("'public'"),
    not_(among(posts.c.author_id, bindparam("hidden", type_=IdList))),
    not_(func.coalesce(of_author(restricted_authors.c.private), false())),
)
_own = and_(
    posts.c.deleted == false(),
    posts.c.author_id == viewer_id,
    of_author(restricted_authors.c.gone_at).is_(None),
)
_can_be_found = or_(_for_everybody, _own)

_sought, _limit, _edge = (
    bindparam("sought", type_=Text),
    bindparam("n", type_=Integer),
    bindparam("edge", type_=Id),
)
_index = table(FULL_TEXT, column("rowid", Integer))
_matching: ColumnElement[bool] = literal_column(FULL_TEXT).op("MATCH", is_comparison=True)(_sought)
_in_sqlite = Keyset(
    select(_index.c.rowid).join(posts, posts.c.id == _index.c.rowid).where(_matching, _can_be_found),
    _index.c.rowid,
    newest_first=True,
)

_has: ColumnElement[bool] = post_words.c.words.op("@@", is_comparison=True)(
    bindparam("sought", type_=TSQUERY)
)


def _among_the_nearest(
    beyond: ColumnElement[bool], order: ColumnElement[Any], *, descending: bool
) -> Prepared:
    """The matches among the posts next to the edge."""
    near = (
        select(post_words.c.post_id, post_words.c.words)
        .where(beyond)
        .order_by(order)
        .limit(bindparam("nearest", type_=Integer))
        .subquery("near")
    )
    has = near.c.words.op("@@", is_comparison=True)(bindparam("sought", type_=TSQUERY))
    return _found(near, select(near.c.post_id).where(has), descending=descending)


def _by_index(beyond: ColumnElement[bool], order: ColumnElement[Any], *, descending: bool) -> Prepared:
    """The matches among all posts. They are sorted first, so that visibility is checked for as few as needed: the
    offset keeps PostgreSQL from checking first, and from scanning all posts beside them."""
    every = select(post_words.c.post_id).where(_has, beyond).order_by(order).offset(literal_column("0"))
    ordered = every.subquery("ordered")
    return _found(ordered, select(ordered.c.post_id), descending=descending)


def _found(rows: Subquery, query: Select[Any], *, descending: bool) -> Prepared:
    key = rows.c.post_id
    shown = select(true()).where(posts.c.id == key, _can_be_found).correlate(rows).scalar_subquery()
    query = query.where(func.coalesce(shown, false()))
    return Prepared(query.order_by(key.desc() if descending else key).limit(_limit))


_newest_first, _oldest_first = post_words.c.post_id.desc(), post_words.c.post_id.asc()
_older, _newer = post_words.c.post_id < _edge, post_words.c.post_id > _edge
_in_postgres = {
    descending: tuple(ask(beyond, order, descending=descending) for ask in (_among_the_nearest, _by_index))
    for descending, beyond, order in ((True, _older, _newest_first), (False, _newer, _oldest_first))
}
"""By whether ids are descending: the first query, and the one that follows if that found too few."""

_from, _to, _beyond = (bindparam(name, type_=String) for name in ("first", "last", "beyond"))


def _tags(*, ascending: bool) -> Prepared:
    """Tags one by one: the query skips from each tag to the next one, past all posts that have it."""
    key = hashtags.c.search_key
    order = key.asc() if ascending else key.desc()
    in_range = and_(key >= _from, key <= _to)

    def next_to(edge: ColumnElement[Any]) -> Select[Any]:
        further = key > edge if ascending else key < edge
        return select(key).where(in_range, further).order_by(order).limit(literal_column("1"))

    each = select(next_to(_beyond).scalar_subquery().label("key")).cte("each", recursive=True)
    each = each.union_all(
        select(next_to(each.c.key).correlate(each).scalar_subquery()).where(each.c.key.is_not(None))
    )
    lately = (
        select(hashtags.c.post_id)
        .where(key == each.c.key)
        .order_by(hashtags.c.post_id.desc())
        .limit(literal_column(str(COUNTED)))
        .correlate(each)
        .scalar_subquery()
    )
    use = select(func.count()).select_from(posts).where(one_of(posts.c.id, lately), _for_everybody)
    first = select(posts.c.id).where(one_of(posts.c.id, lately), _for_everybody).limit(literal_column("1"))
    return Prepared(
        select(each.c.key, use.correlate(each).scalar_subquery())
        .where(each.c.key.is_not(None), first.correlate(each).scalar_subquery().is_not(None))
        .limit(_limit)
    )


_tags_ascending, _tags_descending = _tags(ascending=True), _tags(ascending=False)


@dataclass(frozen=True, slots=True)
class SqlSearch:
    database: Database

    async def posts(
        self, query: PostQuery, authors: Sequence[UserId], window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostId]:
        terms = [*map(by, authors), *map(tagged, query.tags)]
        phrases = [*(Phrase((term,)) for term in terms), *query.phrases]
        params = {"viewer": viewer_context.viewer, "hidden": [*_hidden(viewer_context)]}
        if self.database.is_sqlite:
            sqlite = {"sought": match(phrases), **params}
            rows = await _in_sqlite.rows(self.database, window, sqlite, slow=True)
        else:
            rows = await self._in_postgres(window, {"sought": tsquery(phrases), **params})
        return [PostId(row[0]) for row in rows]

    async def _in_postgres(self, window: Window, params: dict[str, Any]) -> Sequence[Row]:
        descending = not window.back
        edge = window.edge if window.edge is not None else MAX_ID if descending else 0
        nearest, every = _in_postgres[descending]
        asked = {"edge": edge, "n": window.limit + 1, **params}
        rows = await self.database.fetch(nearest, nearest=NEWEST, **asked)
        if len(rows) <= window.limit:
            rows = await self.database.fetch(every, **asked)
        return rows if descending else rows[::-1]

    async def hashtags(
        self, beginning: str, window: TagWindow, viewer_context: ViewerContext
    ) -> Sequence[FoundTag]:
        first = plain_tag(beginning)
        rows = await self.database.fetch_slow(
            _tags_descending if window.back else _tags_ascending,
            first=first,
            last=f"{first}\U0010ffff",
            beyond="" if window.edge is None else tag_key(window.edge),
            hidden=[*_hidden(viewer_context)],
            n=window.limit + 1,
        )
        found = [FoundTag(key.rpartition(" ")[2], count) for key, count in rows]
        return found[::-1] if window.back else found


def _hidden(viewer_context: ViewerContext) -> frozenset[UserId]:
    return viewer_context.blocked | viewer_context.muted
