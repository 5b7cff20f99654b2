"""Feed entries: the posts and reposts that may be in a feed, always found by an index, never by a scan."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    TableValuedAlias,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    not_,
    select,
    union_all,
)

from adapters.sql.database import Database, Row
from adapters.sql.keyset import Keyset
from adapters.sql.metadata import Id, IdList, among, each_of, nearest_of
from adapters.sql.posts.row_cards import EntriesQuery, PostCards, Repost
from adapters.sql.posts.row_triggers import EXPOSED, HASHTAG, PUBLISHED, REPOSTS, SOURCE
from adapters.sql.posts.tables import hashtags, posts, reposts, restricted_authors
from adapters.sql.posts.visibility import of_author
from adapters.sql.statements import Prepared
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from application.shared.readings import open_reading, rows_of
from application.shared.records import maker
from domain.posts import AuthorState, can_view, open_post_of
from domain.shared import MAX_ID, PostId, UserId, ViewerContext

FEW = 8
"""So few sources are read at once. With more, the first query finds those that have entries next to the edge."""
EARLIEST = 32
"""Reposts of a post that are looked through here, before the sources are sent to the database."""

_sources, _edge, _bound, _n = (
    bindparam("sources", type_=IdList),
    bindparam("edge", type_=Id),
    bindparam("bound", type_=Id),
    bindparam("n", type_=Integer),
)


class _BySources:
    """The entries of sources, in one direction, with two queries. The first finds the sources whose heads (first
    entries beyond the edge) are nearest. The second reads the entries of these sources from the edge to the last of the
    heads: all entries that are asked for are there, and few others."""

    def __init__(self, *, descending: bool) -> None:
        self._descending = descending
        source = each_of(_sources, "source")
        own, repost = posts.alias("own"), reposts.alias("repost")
        published = self._beyond(select(own.c.id).where(*_published_by(source, own)), own.c.id)
        reposted = self._beyond(select(repost.c.id).where(repost.c.user_id == source.c.value), repost.c.id)

        # Two scalars: PostgreSQL takes half as long again for an aggregate over both.
        either = nearest_of(
            self._head(published, own, source), self._head(reposted, repost, source), descending=descending
        )
        heads = select(source.c.value, either.label("head"))
        self._heads = Prepared(heads.order_by(self._order(literal_column("head"))).limit(_n))

        every = union_all(
            self._within(
                select(posts.c.id, posts.c.id.label("post"), posts.c.author_id.label("who")).select_from(
                    source.join(posts, and_(*_published_by(source, posts)))
                ),
                posts.c.id,
                self._last(published, own, source),
            ),
            self._within(
                select(reposts.c.id, reposts.c.post_id, reposts.c.user_id).select_from(
                    source.join(reposts, reposts.c.user_id == source.c.value)
                ),
                reposts.c.id,
                self._last(reposted, repost, source),
            ),
        ).subquery("every")
        self._entries = Prepared(select(every).order_by(self._order(every.c.id)).limit(_n))

        self._of_few = {count: self._for_few(count) for count in range(1, FEW + 1)}

    def _for_few(self, count: int) -> Prepared:
        """A query with one part for each of a few sources. It is the most frequent one, for the reader and the popular
        accounts that they follow, and takes a third of the time for one source, half for two."""
        parts = []
        for number in range(count):
            who = bindparam(f"who_{number}", type_=Id)
            published = select(posts.c.id, posts.c.id.label("post"), posts.c.author_id.label("who")).where(
                posts.c.author_id == who, posts.c.reply_to.is_(None), posts.c.deleted == false()
            )
            reposted = select(reposts.c.id, reposts.c.post_id, reposts.c.user_id).where(
                reposts.c.user_id == who
            )
            for query, of in ((published, posts), (reposted, reposts)):
                nearest = self._within(query, of.c.id, _bound)
                parts.append(
                    select(
                        nearest.order_by(self._order(of.c.id)).limit(_n).subquery(f"{of.name}_of_{number}")
                    )
                )
        return Prepared(union_all(*parts))

    @property
    def _no_position(self) -> int:
        return 0 if self._descending else MAX_ID

    def _up_to(self, bound: int, id_: int) -> bool:
        return id_ >= bound if self._descending else id_ <= bound

    def _beyond(self, query: Select[Any], key: ColumnElement[int]) -> Select[Any]:
        return query.where(key < _edge if self._descending else key > _edge)

    def _order(self, key: ColumnElement[int]) -> ColumnElement[int]:
        return key.desc() if self._descending else key.asc()

    def _head(self, query: Select[Any], of: FromClause, source: TableValuedAlias) -> ColumnElement[int]:
        head = query.order_by(self._order(of.c.id)).limit(literal_column("1"))
        return func.coalesce(head.correlate(source).scalar_subquery(), literal_column(str(self._no_position)))

    def _last(self, query: Select[Any], of: FromClause, source: TableValuedAlias) -> ColumnElement[int]:
        """The last relevant id of one source: its n-th from the edge, or the bound if that comes first. Found
        once per source in the index, so that no long history is read."""
        key = of.c.id
        before_bound = query.where(key >= _bound if self._descending else key <= _bound)
        nth = (
            before_bound.order_by(self._order(key))
            .limit(literal_column("1"))
            .offset(_n - literal_column("1"))
        )
        return func.coalesce(nth.correlate(source).scalar_subquery(), _bound)

    def _within(self, query: Select[Any], key: ColumnElement[int], last: ColumnElement[int]) -> Select[Any]:
        return self._beyond(query, key).where(key >= last if self._descending else key <= last)

    async def __call__(
        self, database: Database, sources: Collection[UserId], edge: int, limit: int, last: int | None
    ) -> Sequence[Row]:
        """The rows next to the edge, nearest first, up to `last` (included)."""
        near, bound = [*sources], self._no_position if last is None else last
        if len(near) <= FEW:
            return await self._from(database, near, edge, bound, limit)
        heads = await database.fetch(self._heads, sources=near, edge=edge, n=limit)
        heads = [head for head in heads if head[1] != self._no_position and self._up_to(bound, head[1])]
        near = [source for source, _head in heads]
        if len(near) < limit:  # no other source has entries up to the bound
            return await self._from(database, near, edge, bound, limit)
        # There are at least `limit` entries up to the last head.
        rows = await self._from(database, near, edge, heads[-1][1], limit)
        if len(rows) == limit:
            return rows
        # Entries were deleted between the two queries, so other sources have the next ones. A short list would be taken
        # for the end of the feed.
        return await database.fetch(self._entries, sources=[*sources], edge=edge, bound=bound, n=limit)

    async def _from(
        self, database: Database, near: Sequence[UserId], edge: int, bound: int, limit: int
    ) -> Sequence[Row]:
        """The entries of these sources, as of one moment."""
        if not near:
            return []
        if len(near) <= FEW:
            names = {f"who_{number}": source for number, source in enumerate(near)}
            rows = await database.fetch(self._of_few[len(near)], edge=edge, bound=bound, n=limit, **names)
            return sorted(rows, key=itemgetter(0), reverse=self._descending)[:limit]
        return await database.fetch(self._entries, sources=near, edge=edge, bound=bound, n=limit)


def _published_by(source: TableValuedAlias, of: FromClause) -> tuple[ColumnElement[bool], ...]:
    return of.c.author_id == source.c.value, of.c.reply_to.is_(None), of.c.deleted == false()


_descending, _ascending = _BySources(descending=True), _BySources(descending=False)


def _for_everybody() -> tuple[ColumnElement[bool], ...]:
    """Public posts of open authors whom the viewer neither blocks nor mutes nor is blocked by."""
    return (
        posts.c.visibility == literal_column("'public'"),
        posts.c.deleted == false(),
        not_(func.coalesce(of_author(restricted_authors.c.private), false())),
        not_(among(posts.c.author_id, bindparam("hidden", type_=IdList))),
    )


_entries = select(posts.c.id, posts.c.id.label("post"), posts.c.author_id)
_public = Keyset(_entries.where(posts.c.reply_to.is_(None), *_for_everybody()), posts.c.id, newest_first=True)
_tagged = Keyset(
    _entries.join_from(hashtags, posts, posts.c.id == hashtags.c.post_id).where(
        hashtags.c.tag == bindparam("tag"), *_for_everybody()
    ),
    hashtags.c.post_id,
    newest_first=True,
)

_post = each_of(bindparam("ids", type_=IdList), "post")
_on_it = select(reposts.c.id).where(reposts.c.post_id == _post.c.value).order_by(reposts.c.id)
_latest = _on_it.limit(literal_column("1")).offset(literal_column(str(EARLIEST - 1))).correlate(_post)
_left = reposts.alias("left_on_it")
_earliest = Prepared(
    select(_left.c.post_id, _left.c.id, _left.c.user_id)
    .select_from(_post.join(_left, _left.c.post_id == _post.c.value))
    .where(_left.c.id <= func.coalesce(_latest.scalar_subquery(), literal_column(str(MAX_ID))))
    .order_by(_left.c.post_id, _left.c.id)
)
_by_a_source = _on_it.where(among(reposts.c.user_id, _sources)).limit(literal_column("1"))
_first = Prepared(select(_post.c.value, _by_a_source.correlate(_post).scalar_subquery()))

_author = Prepared(
    select(restricted_authors.c.private, restricted_authors.c.gone_at).where(
        restricted_authors.c.user_id == bindparam("user", type_=Id)
    )
)


@dataclass(frozen=True, slots=True)
class SqlEntries:
    database: Database
    cards: PostCards

    async def by_sources(
        self, sources: Collection[UserId], window: Window, last: int | None = None
    ) -> Sequence[FeedEntry]:
        if (reading := open_reading()) is None or len(sources) > FEW:
            return await self._by_sources(sources, window, last)
        query = EntriesQuery(frozenset(sources), window.edge, window.limit, window.back, last)
        if (entries := self.cards.entries(query)) is not None:
            reading.keys.update((SOURCE, source) for source in sources)
            return entries
        changes = self.cards.changes
        entries = await self._by_sources(sources, window, last)
        self.cards.keep_entries(query, entries, changes)
        return entries

    async def _by_sources(
        self, sources: Collection[UserId], window: Window, last: int | None
    ) -> Sequence[FeedEntry]:
        with rows_of((SOURCE, source) for source in sources):
            if window.back:
                rows = await _ascending(self.database, sources, window.edge or 0, window.limit, last)
                return [_entry(row) for row in reversed(rows)]
            edge = MAX_ID if window.edge is None else window.edge
            rows = await _descending(self.database, sources, edge, window.limit, last)
            return [_entry(row) for row in rows]

    async def public(self, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        with rows_of([(PUBLISHED,), (EXPOSED,)]):
            rows = await _public.rows(self.database, window, _hidden(viewer_context))
        return _nearest(rows, window)

    async def tagged(self, tag: str, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        with rows_of([(HASHTAG, tag), (EXPOSED,)]):
            rows = await _tagged.rows(self.database, window, {"tag": tag, **_hidden(viewer_context)})
        return _nearest(rows, window)

    async def first_reposts(
        self, posts: Collection[PostId], sources: Collection[UserId]
    ) -> Mapping[PostId, int]:
        is_kept = open_reading() is not None
        with rows_of((REPOSTS, post) for post in posts):
            return await self._first_reposts(posts, sources, is_kept=is_kept)

    async def _first_reposts(
        self, posts: Collection[PostId], sources: Collection[UserId], *, is_kept: bool
    ) -> Mapping[PostId, int]:
        earliest = await (self._kept_reposts(posts) if is_kept else self._earliest_reposts(posts))
        first: dict[PostId, int] = {}
        further = []
        for post, on_it in earliest.items():
            found = next((repost for repost, user in on_it if user in sources), None)
            if found is not None:
                first[post] = found
            elif len(on_it) == EARLIEST:
                further.append(post)
        if further:
            rows = await self.database.fetch(_first, ids=further, sources=[*sources])
            first.update((post, repost) for post, repost in rows if repost is not None)
        return first

    async def _kept_reposts(self, posts: Collection[PostId]) -> Mapping[PostId, Sequence[Repost]]:
        known = {post: self.cards.reposts(post) for post in posts}
        found = {post: on_it for post, on_it in known.items() if on_it is not None}
        if len(found) < len(known):
            changes = self.cards.changes
            read = await self._earliest_reposts([post for post in known if post not in found])
            for post, on_it in read.items():
                self.cards.keep_reposts(post, on_it, changes)
            found.update(read)
        return found

    async def _earliest_reposts(self, posts: Collection[PostId]) -> dict[PostId, Sequence[Repost]]:
        found: dict[PostId, list[Repost]] = {post: [] for post in posts}
        for post, repost, user in await self.database.fetch(_earliest, ids=[*posts]):
            found[post].append((repost, user))
        return {**found}

    async def shows_reposts(self, user: UserId, viewer_context: ViewerContext) -> bool:
        rows = await self.database.fetch(_author, user=user)
        private, gone_at = rows[0] if rows else (False, None)
        state = AuthorState.PRIVATE if private else AuthorState.PUBLIC
        return can_view(open_post_of(user, AuthorState.DELETED if gone_at else state), viewer_context)


_entry = maker(FeedEntry)


def _hidden(viewer_context: ViewerContext) -> dict[str, list[UserId]]:
    return {"hidden": [*(viewer_context.blocked | viewer_context.muted)]}


def _nearest(rows: Sequence[Row], window: Window) -> Sequence[FeedEntry]:
    """Without the extra row that a keyset returns."""
    return [_entry(row) for row in (rows[-window.limit :] if window.back else rows[: window.limit])]
