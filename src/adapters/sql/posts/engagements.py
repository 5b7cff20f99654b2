"""Likes, reposts, bookmarks and pins: writing and listing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Integer,
    Table,
    bindparam,
    delete,
    exists,
    false,
    func,
    literal_column,
    not_,
    select,
    text,
    true,
    union,
    union_all,
    update,
)

from adapters.sql.database import Database
from adapters.sql.keyset import Keyset
from adapters.sql.metadata import Id, IdList, among
from adapters.sql.outbox import insert_new
from adapters.sql.posts.parts import VIEW_COLUMNS, position_in, view_in
from adapters.sql.posts.tables import bookmarks, likes, posts, reposts
from adapters.sql.posts.visibility import for_author, viewer_params, visible
from adapters.sql.statements import Prepared
from adapters.sql.transactions import Transaction
from application.posts.ports import EngagedPost, EngagedUser
from application.shared.paging import Window
from domain.posts import Engagement
from domain.shared import PostId, UserId, ViewerContext

TABLES: dict[Engagement, Table] = {
    Engagement.LIKE: likes,
    Engagement.REPOST: reposts,
    Engagement.BOOKMARK: bookmarks,
}
COUNTERS = {Engagement.LIKE: posts.c.likes, Engagement.REPOST: posts.c.reposts}

_USER_LOCK = 0x7761676B
"""The advisory lock for counting what is limited per user."""

_post_id, _user_id, _engagement_id = (
    bindparam("p", type_=Id),
    bindparam("u", type_=Id),
    bindparam("m", type_=Id),
)
_leave = {engagement: insert_new(table) for engagement, table in TABLES.items()}
_take_back = {
    engagement: delete(table)
    .where(table.c.post_id == _post_id, table.c.user_id == _user_id)
    .returning(table.c.id)
    for engagement, table in TABLES.items()
}
_count = {
    engagement: update(posts)
    .where(posts.c.id == _post_id)
    .values({counter: counter + bindparam("change", type_=Integer)})
    for engagement, counter in COUNTERS.items()
}
_left_on: CompoundSelect[Any] = union_all(
    *(
        select(literal_column(f"'{engagement}'")).where(
            table.c.post_id == _post_id, table.c.user_id == _user_id
        )
        for engagement, table in TABLES.items()
    )
)
_bookmarks_of = select(func.count()).where(bookmarks.c.user_id == _user_id)
_forget_deleted = delete(bookmarks).where(
    bookmarks.c.user_id == _user_id,
    exists().where(posts.c.id == bookmarks.c.post_id, posts.c.deleted == true()),
)
_pin = update(posts).where(posts.c.id == _post_id).values(pin=_engagement_id)
_pins_of = select(func.count()).where(posts.c.author_id == _user_id, posts.c.pin.is_not(None))
_oldest_of = {
    engagement: select(table.c.post_id)
    .where(table.c.user_id == _user_id)
    .order_by(table.c.id)
    .limit(bindparam("n", type_=Integer))
    for engagement, table in TABLES.items()
}


@dataclass(frozen=True, slots=True)
class SqlEngagements:
    transaction: Transaction

    async def add(self, engagement: Engagement, post_id: PostId, user_id: UserId, engagement_id: int) -> bool:
        row = {"post_id": post_id, "user_id": user_id, "id": engagement_id}
        if not (await self.transaction.execute(_leave[engagement], row)).rowcount:
            return False
        await self._count(engagement, post_id, 1)
        return True

    async def remove(self, engagement: Engagement, post_id: PostId, user_id: UserId) -> int | None:
        row = {"p": post_id, "u": user_id}
        taken: int | None = (await self.transaction.execute(_take_back[engagement], row)).scalar()
        if taken is not None:
            await self._count(engagement, post_id, -1)
        return taken

    async def _count(self, engagement: Engagement, post_id: PostId, change: int) -> None:
        if engagement in _count:
            await self.transaction.execute(_count[engagement], {"p": post_id, "change": change})

    async def of_user(self, post_id: PostId, user_id: UserId) -> frozenset[Engagement]:
        found = await self.transaction.execute(_left_on, {"p": post_id, "u": user_id})
        return frozenset(Engagement(name) for name in found.scalars())

    async def count_bookmarks(self, user_id: UserId) -> int:
        await self._lock_user(user_id)
        return int((await self.transaction.execute(_bookmarks_of, {"u": user_id})).scalar_one())

    async def remove_bookmarks_of_deleted_posts(self, user_id: UserId) -> None:
        await self.transaction.execute(_forget_deleted, {"u": user_id})

    async def set_pin(self, post_id: PostId, pin: int | None) -> None:
        await self.transaction.execute(_pin, {"p": post_id, "m": pin})

    async def count_pins(self, author: UserId) -> int:
        await self._lock_user(author)
        return int((await self.transaction.execute(_pins_of, {"u": author})).scalar_one())

    async def _lock_user(self, user_id: UserId) -> None:
        """Serialise counting for this user until the commit: of two transactions that add at once, each to a post of
        its own, one must see the other. SQLite has one writer anyway."""
        if self.transaction.dialect.name == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(:kind, :user)")
            await self.transaction.execute(lock, {"kind": _USER_LOCK, "user": user_id % 2**31})

    async def erase_user(self, user_id: UserId, limit: int) -> int:
        for (
            engagement,
            table,
        ) in TABLES.items():  # one kind at a time, to keep the order in which posts are locked
            oldest = await self.transaction.execute(_oldest_of[engagement], {"u": user_id, "n": limit})
            found = [*oldest.scalars()]
            if not found:
                continue
            if engagement in COUNTERS:  # newest first: the order in which everybody locks several posts
                lock = select(posts.c.id).where(posts.c.id.in_(found)).order_by(posts.c.id.desc())
                await self.transaction.execute(lock.with_for_update(key_share=True))
            gone = await self.transaction.execute(
                delete(table)
                .where(table.c.user_id == user_id, table.c.post_id.in_(found))
                .returning(table.c.post_id)
            )
            deducted = [*gone.scalars()]
            if engagement in COUNTERS and deducted:
                counter = COUNTERS[engagement]
                await self.transaction.execute(
                    update(posts).where(posts.c.id.in_(deducted)).values({counter: counter - 1})
                )
            return len(found)
        return 0


_people: dict[Engagement, Keyset] = {
    engagement: Keyset(
        select(table.c.id, table.c.user_id).where(
            table.c.post_id == _post_id, not_(among(table.c.user_id, bindparam("hidden", type_=IdList)))
        ),
        table.c.id,
        newest_first=True,
    )
    for engagement, table in TABLES.items()
    if engagement is not Engagement.BOOKMARK
}


def _engaged_posts(table: Table) -> Keyset:
    # An alias, since the viewer's own engagements are looked up in the same table.
    mine = table.alias("mine")
    query = select(*VIEW_COLUMNS, mine.c.id).select_from(mine.join(posts, posts.c.id == mine.c.post_id))
    return Keyset(query.where(visible(), mine.c.user_id == _user_id), mine.c.id, newest_first=True)


_engaged = {engagement: _engaged_posts(table) for engagement, table in TABLES.items()}
_pinned = Keyset(
    select(*VIEW_COLUMNS, posts.c.pin).where(
        visible(), posts.c.author_id == _user_id, posts.c.pin.is_not(None)
    ),
    posts.c.pin,
    newest_first=True,
)


_after, _n = bindparam("after", type_=Id), bindparam("n", type_=Integer)
_parts = [
    select(
        select(who.label("who"))
        .where(post == bindparam("p", type_=Id), who > _after, *further)
        .distinct()
        .order_by(who)
        .limit(_n)
        .subquery(f"{who.table.name}_of_it")
        .c.who
    )
    for post, who, further in (
        (likes.c.post_id, likes.c.user_id, ()),
        (reposts.c.post_id, reposts.c.user_id, ()),
        (posts.c.reply_to, posts.c.author_id, (posts.c.deleted == false(),)),
    )
]
_some = union(*_parts).subquery("involved")
_involved = Prepared(select(_some.c.who).order_by(_some.c.who).limit(_n))


@dataclass(frozen=True, slots=True)
class SqlEngagementsReader:
    database: Database

    async def users(
        self, engagement: Engagement, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedUser]:
        hidden = [*viewer_context.blocked | viewer_context.muted]
        rows = await _people[engagement].rows(self.database, window, {"p": post_id, "hidden": hidden})
        return [EngagedUser(engagement_id, UserId(user_id)) for engagement_id, user_id in rows]

    async def posts(
        self, engagement: Engagement, user_id: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedPost]:
        return await self._page(_engaged[engagement], user_id, window, viewer_context)

    async def pinned(
        self, author: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedPost]:
        return await self._page(_pinned, author, window, for_author(author, viewer_context))

    async def involved(self, post_id: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        rows = await self.database.fetch(_involved, p=post_id, after=after, n=limit)
        return [UserId(user) for (user,) in rows]

    async def _page(
        self, keyset: Keyset, user_id: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedPost]:
        rows = await keyset.rows(self.database, window, {"u": user_id, **viewer_params(viewer_context)})
        return [EngagedPost(position_in(row), view_in(row)) for row in rows]
