"""Reads relationships, outside of transactions."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Table,
    bindparam,
    cast,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    union_all,
)

from adapters.sql.database import Database, Row
from adapters.sql.graph.tables import blocks, follow_requests, follows, graph_users, mutes
from adapters.sql.keyset import Keyset
from adapters.sql.metadata import Id, IdList, among, instant, millis
from adapters.sql.statements import Prepared
from application.graph.ports import FollowCounts, ListedUser, RelationshipList, ViewerRelations
from application.shared.paging import Window
from domain.graph import Relationship
from domain.shared import UserId

_user = bindparam("user", type_=Id)
_NO_END = cast(null(), Id)  # PostgreSQL would take a bare NULL column for text

_MEMBERS = {
    "following": (follows, True),
    "followed_by": (follows, False),
    "requested": (follow_requests, True),
    "requested_by": (follow_requests, False),
    "blocking": (blocks, True),
    "blocked_by": (blocks, False),
    "muting": (mutes, True),
}
"""The members of Relationship: the table that holds each, and whether `user` is the one who acts."""


def relationships_query(is_other: Callable[[ColumnElement[int]], ColumnElement[bool]]) -> CompoundSelect[Any]:
    """Selects the member, the other account and the end (milliseconds) of every relationship between the user and the
    accounts that `is_other` selects."""
    selects: list[Select[Any]] = []
    for name, (table, outgoing) in _MEMBERS.items():
        near, far = (table.c.user_id, table.c.other_id) if outgoing else (table.c.other_id, table.c.user_id)
        until = table.c.until if table is mutes else _NO_END
        selects.append(select(literal_column(f"'{name}'"), far, until).where(near == _user, is_other(far)))
    return union_all(*selects)


def relationships_from(
    user: UserId, rows: Iterable[Sequence[Any]], others: Collection[UserId]
) -> dict[UserId, Relationship]:
    members: dict[UserId, dict[str, Any]] = {other: {} for other in others}
    for name, other, ms in rows:
        members[UserId(other)][name] = True
        if name == "muting":
            members[UserId(other)]["muted_until"] = _until(ms)
    return {other: Relationship(user=user, other=other, **found) for other, found in members.items()}


_relationships = Prepared(relationships_query(lambda far: among(far, bindparam("others", type_=IdList))))
_version = Prepared(select(graph_users.c.version).where(graph_users.c.user_id == _user))
_counts = Prepared(
    select(graph_users.c.followers, graph_users.c.following).where(graph_users.c.user_id == _user)
)
_VERSION, _FOLLOWS, _BLOCKED, _MUTED = range(4)
# One statement reads everything at the same moment, so the version belongs to the rest.
_viewer_relations = Prepared(
    union_all(
        select(literal_column(str(_VERSION)), graph_users.c.version, _NO_END).where(
            graph_users.c.user_id == _user
        ),
        select(literal_column(str(_FOLLOWS)), follows.c.other_id, _NO_END).where(follows.c.user_id == _user),
        select(literal_column(str(_BLOCKED)), blocks.c.other_id, _NO_END).where(blocks.c.user_id == _user),
        select(literal_column(str(_BLOCKED)), blocks.c.user_id, _NO_END).where(blocks.c.other_id == _user),
        select(literal_column(str(_MUTED)), mutes.c.other_id, mutes.c.until).where(mutes.c.user_id == _user),
    )
)


def _list(table: Table, *, of_user: bool, condition: ColumnElement[bool] | None = None) -> Keyset:
    near, far = (table.c.user_id, table.c.other_id) if of_user else (table.c.other_id, table.c.user_id)
    query = select(table.c.id, far).where(near == _user, not_(among(far, bindparam("hidden", type_=IdList))))
    return Keyset(query if condition is None else query.where(condition), table.c.id, newest_first=True)


_not_ended = or_(mutes.c.until.is_(None), mutes.c.until > bindparam("now", type_=Id))
_lists: Mapping[RelationshipList, Keyset] = {
    "followers": _list(follows, of_user=False),
    "following": _list(follows, of_user=True),
    "requests": _list(follow_requests, of_user=False),
    "blocks": _list(blocks, of_user=True),
    "mutes": _list(mutes, of_user=True, condition=_not_ended),
}
_followers_after = Prepared(
    select(follows.c.user_id)
    .where(follows.c.other_id == _user, follows.c.user_id > bindparam("after", type_=Id))
    .order_by(follows.c.user_id)
    .limit(bindparam("n", type_=Integer))
)
_popular = Prepared(select(graph_users.c.user_id).where(graph_users.c.popular == true()))


def _until(ms: int | None) -> datetime | None:
    return None if ms is None else instant(ms)


@dataclass(frozen=True, slots=True)
class SqlGraphReader:
    database: Database

    async def version(self, viewer: UserId) -> int:
        rows = await self.database.fetch(_version, user=viewer)
        return rows[0][0] if rows else 0

    async def viewer_relations(self, viewer: UserId) -> ViewerRelations:
        version, follows_, blocked, mutes_ = 0, set[UserId](), set[UserId](), dict[UserId, datetime | None]()
        for kind, value, until in await self.database.fetch(_viewer_relations, user=viewer):
            if kind == _FOLLOWS:
                follows_.add(UserId(value))
            elif kind == _BLOCKED:
                blocked.add(UserId(value))
            elif kind == _MUTED:
                mutes_[UserId(value)] = _until(until)
            else:
                version = value
        return ViewerRelations(version, frozenset(follows_), frozenset(blocked), mutes_)

    async def relationships(
        self, viewer: UserId, others: Collection[UserId]
    ) -> Mapping[UserId, Relationship]:
        rows = await self.database.fetch(_relationships, user=viewer, others=[*others]) if others else []
        return relationships_from(viewer, rows, others)

    async def counts(self, user: UserId) -> FollowCounts:
        rows: Sequence[Row] = await self.database.fetch(_counts, user=user)
        return FollowCounts(*rows[0]) if rows else FollowCounts(0, 0)

    async def listed_users(
        self,
        relationship_list: RelationshipList,
        user: UserId,
        window: Window,
        hidden: Collection[UserId],
        now: datetime,
    ) -> Sequence[ListedUser]:
        params: dict[str, Any] = {"user": user, "hidden": [*hidden]}
        if relationship_list == "mutes":
            params["now"] = millis(now)
        return [
            ListedUser(id_, UserId(other))
            for id_, other in await _lists[relationship_list].rows(self.database, window, params)
        ]

    async def followers_after(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        rows = await self.database.fetch(_followers_after, user=author, after=after, n=limit)
        return [UserId(row[0]) for row in rows]

    async def popular(self) -> frozenset[UserId]:
        return frozenset(UserId(row[0]) for row in await self.database.fetch(_popular))
