"""Recounting the counters of posts, and counting the posts of authors for another module."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    String,
    Table,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)

from adapters import events
from adapters.sql.database import Database
from adapters.sql.metadata import Id
from adapters.sql.outbox import dead_letters, deliveries, outbox
from adapters.sql.posts.tables import likes, posts, reposts
from adapters.sql.posts.visibility import is_tombstone
from adapters.sql.statements import Prepared
from adapters.sql.transactions import Transaction
from application.posts.ports import RecountedPosts
from application.shared.deliveries import NOT_DISTRIBUTED
from application.shared.events import PostDeleted, Published
from domain.posts import OPEN_VISIBILITIES, Visibility
from domain.shared import EventId, PostId, UserId

_OPEN: list[ColumnElement[str]] = [
    literal_column(f"'{visibility}'") for visibility in sorted(OPEN_VISIBILITIES)
]
_above, _replies = posts.alias("above"), posts.alias("replies")
_ids: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)

_batch = (
    select(posts.c.id, posts.c.comments, posts.c.answers.label("replies"), posts.c.likes, posts.c.reposts)
    .where(posts.c.id < bindparam("below", type_=Id))
    .order_by(posts.c.id.desc())  # the order in which everybody locks several posts
    .limit(bindparam("n", type_=Integer))
    .with_for_update(key_share=True)
)


def _engagements(table: Table) -> Select[Any]:
    return select(table.c.post_id, func.count()).where(table.c.post_id.in_(_ids)).group_by(table.c.post_id)


_comments = (
    # `Post.counts_in` in SQL
    select(_replies.c.reply_to, func.count())
    .join(_above, _above.c.id == _replies.c.reply_to)
    .where(
        _replies.c.reply_to.in_(_ids),
        _replies.c.pending.is_(None),
        _replies.c.withheld == false(),
        or_(
            _replies.c.visibility.in_(_OPEN),
            and_(
                _replies.c.visibility == Visibility.DIRECT.value,
                _above.c.visibility == Visibility.DIRECT.value,
            ),
        ),
    )
    .group_by(_replies.c.reply_to)
)
_COUNTS: Mapping[str, Select[Any]] = {
    "comments": _comments.where(_replies.c.deleted == false()),
    "replies": _comments.where(or_(_replies.c.deleted == false(), is_tombstone(_replies))),
    "likes": _engagements(likes),
    "reposts": _engagements(reposts),
}
_COLUMN_OF = {"replies": "answers"}
"""The counters whose column has a different name."""


@dataclass(frozen=True, slots=True)
class SqlCounters:
    database: Database

    async def recount(self, below: PostId, limit: int, *, repair: bool) -> RecountedPosts:
        async with self.database.begin() as transaction:
            # Lock before counting: whoever changes a counter holds the lock of its post.
            rows = (await transaction.execute(_batch, {"below": below, "n": limit})).all()
            if not rows:
                return RecountedPosts(None, {})
            drift = {name: await self._recount(transaction, name, rows, repair=repair) for name in _COUNTS}
        return RecountedPosts(PostId(rows[-1].id), drift)

    @staticmethod
    async def _recount(transaction: Transaction, name: str, rows: Sequence[Any], *, repair: bool) -> int:
        stored = {row.id: getattr(row, name) for row in rows}
        counts = await transaction.execute(_COUNTS[name], {"ids": [*stored]})
        real = dict.fromkeys(stored, 0) | {post_id: int(count) for post_id, count in counts}
        wrong = {post_id: count for post_id, count in real.items() if count != stored[post_id]}
        if repair:
            for post_id, count in wrong.items():
                await transaction.execute(
                    update(posts).where(posts.c.id == post_id).values({_COLUMN_OF.get(name, name): count})
                )
        return sum(abs(count - stored[post_id]) for post_id, count in wrong.items())


_subscriber = bindparam("subscriber", type_=String)


def _undelivered(table: Table, *of_subscriber: ColumnElement[bool]) -> Select[Any]:
    return select(literal(0), literal(0), table.c.event_id, table.c.kind, table.c.data).where(
        or_(table.c.kind == Published.__name__, table.c.kind == PostDeleted.__name__), *of_subscriber
    )


# One statement, so that all parts are read as of one moment: a post and its event are committed together.
_authored = Prepared(
    union_all(
        select(posts.c.author_id, func.count(), null(), null(), null())
        .where(
            posts.c.author_id.between(bindparam("first", type_=Id), bindparam("last", type_=Id)),
            posts.c.reply_to.is_(None),
            posts.c.deleted == false(),
            posts.c.visibility.in_(_OPEN),
        )
        .group_by(posts.c.author_id),
        _undelivered(outbox),
        _undelivered(deliveries, deliveries.c.subscriber == _subscriber),
        _undelivered(
            dead_letters,
            or_(dead_letters.c.subscriber == NOT_DISTRIBUTED, dead_letters.c.subscriber == _subscriber),
        ),
    )
)


@dataclass(frozen=True, slots=True)
class SqlAuthored:
    database: Database

    async def authored(
        self, authors: Collection[UserId], subscriber: str
    ) -> tuple[Mapping[UserId, int], Sequence[tuple[EventId, Published | PostDeleted]]]:
        asked, counts = set(authors), dict[UserId, int]()
        undelivered: list[tuple[EventId, Published | PostDeleted]] = []
        # Authors that are asked for together have neighbouring ids: a range of the index is read.
        first, last = min(authors, default=0), max(authors, default=0)
        for author, count, event_id, kind, data in await self.database.fetch(
            _authored, first=first, last=last, subscriber=subscriber
        ):
            if event_id is None:
                if author in asked:
                    counts[author] = count
            elif isinstance(event := events.load(kind, data), Published | PostDeleted):
                undelivered.append((event_id, event))
        return counts, undelivered
