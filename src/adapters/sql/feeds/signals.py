"""Engagement signals in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, String, Table, bindparam, delete, select, tuple_

from adapters.sql.database import Database
from adapters.sql.feeds.tables import engagement_signals, hashtag_signals
from adapters.sql.metadata import Id
from adapters.sql.outbox import insert_new
from adapters.sql.statements import Prepared
from adapters.sql.transactions import Transaction
from application.feeds.signals import SignalsTx
from application.feeds.trending_formula import EngagementSignal, HashtagSignal
from application.shared.ports import OpenTx
from domain.shared import MAX_ID, PostId, UserId

_post, _user, _limit = (
    bindparam("p", type_=Id),
    bindparam("u", type_=Id),
    bindparam("n", type_=Integer),
)
_add = insert_new(engagement_signals)
_add_tag = insert_new(hashtag_signals)
_remove = delete(engagement_signals).where(
    engagement_signals.c.post_id == _post,
    engagement_signals.c.user_id == _user,
    engagement_signals.c.source == bindparam("s", type_=Id),
)
_drop_tags = delete(hashtag_signals).where(hashtag_signals.c.post_id == _post)


def _delete_some(table: Table, column: str, value: Any) -> Any:
    """A statement that deletes up to `n` rows with that value."""
    key = tuple_(*table.primary_key)
    return delete(table).where(
        key.in_(select(*table.primary_key).where(table.c[column] == value).limit(_limit))
    )


_delete_for_post = [_delete_some(table, "post_id", _post) for table in (engagement_signals, hashtag_signals)]
_delete_by_user = [_delete_some(table, "user_id", _user) for table in (engagement_signals, hashtag_signals)]


@dataclass(frozen=True, slots=True)
class SqlSignals:
    transaction: Transaction

    async def add(self, signal: EngagementSignal) -> None:
        post, user, source, weight, at = signal
        row = {"post_id": post, "user_id": user, "source": source, "weight": weight, "at": at}
        await self.transaction.execute(_add, row)

    async def remove(self, post: PostId, user: UserId, source: int) -> None:
        await self.transaction.execute(_remove, {"p": post, "u": user, "s": source})

    async def set_tags(self, post: PostId, signals: Sequence[HashtagSignal]) -> None:
        await self.transaction.execute(_drop_tags, {"p": post})
        if signals:
            rows = [
                {"post_id": signal.post, "tag": signal.tag, "user_id": signal.user, "at": signal.at}
                for signal in signals
            ]
            await self.transaction.execute(_add_tag, rows)

    async def delete_for_post(self, post: PostId, limit: int) -> int:
        return await self._delete(_delete_for_post, {"p": post}, limit)

    async def delete_by_user(self, user: UserId, limit: int) -> int:
        return await self._delete(_delete_by_user, {"u": user}, limit)

    async def _delete(self, statements: Sequence[Any], of: dict[str, int], limit: int) -> int:
        left = limit
        for statement in statements:
            left -= (await self.transaction.execute(statement, of | {"n": left})).rowcount
        return limit - left


def transactions(database: Database) -> OpenTx[SignalsTx]:
    # Only handlers of events write signals.
    return database.transactions(lambda transaction: SignalsTx(SqlSignals(transaction)), is_synced=False)


_place = (
    engagement_signals.c.at,
    engagement_signals.c.post_id,
    engagement_signals.c.user_id,
    engagement_signals.c.source,
)
_signals = Prepared(
    select(
        engagement_signals.c.post_id,
        engagement_signals.c.user_id,
        engagement_signals.c.source,
        engagement_signals.c.weight,
        engagement_signals.c.at,
    )
    .where(
        engagement_signals.c.at >= bindparam("since", type_=Id),
        tuple_(*_place) < tuple_(*(bindparam(f"edge_{column.name}", type_=Id) for column in _place)),
    )
    .order_by(*(column.desc() for column in _place))
    .limit(_limit)
)
_tag_place = (hashtag_signals.c.at, hashtag_signals.c.post_id, hashtag_signals.c.tag)
_hashtag_signals = Prepared(
    select(hashtag_signals.c.tag, hashtag_signals.c.post_id, hashtag_signals.c.user_id, hashtag_signals.c.at)
    .where(
        hashtag_signals.c.at >= bindparam("since", type_=Id),
        tuple_(*_tag_place)
        < tuple_(
            bindparam("edge_at", type_=Id),
            bindparam("edge_post_id", type_=Id),
            bindparam("edge_tag", type_=String),
        ),
    )
    .order_by(*(column.desc() for column in _tag_place))
    .limit(_limit)
)


@dataclass(frozen=True, slots=True)
class SqlSignalsReader:
    database: Database

    async def signals(
        self, since: int, before: EngagementSignal | None, limit: int
    ) -> Sequence[EngagementSignal]:
        post, user, source, _weight, at = before or EngagementSignal(PostId(0), UserId(0), 0, 0, MAX_ID)
        edge = {"edge_at": at, "edge_post_id": post, "edge_user_id": user, "edge_source": source}
        return [
            EngagementSignal(*row)
            for row in await self.database.fetch(_signals, since=since, n=limit, **edge)
        ]

    async def hashtag_signals(
        self, since: int, before: HashtagSignal | None, limit: int
    ) -> Sequence[HashtagSignal]:
        tag, post, _user, at = before or HashtagSignal("", PostId(0), UserId(0), MAX_ID)
        edge = {"edge_at": at, "edge_post_id": post, "edge_tag": tag}
        return [
            HashtagSignal(*row)
            for row in await self.database.fetch(_hashtag_signals, since=since, n=limit, **edge)
        ]
