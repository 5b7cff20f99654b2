"""Changes relationships, within transactions."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Integer,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql

from adapters.sql.database import Database
from adapters.sql.graph.reading import relationships_from, relationships_query
from adapters.sql.graph.tables import blocks, follow_requests, follows, graph_users, mutes
from adapters.sql.metadata import Id
from adapters.sql.outbox import SqlOutbox, insert_new
from adapters.sql.transactions import Transaction
from application.graph.ports import GraphTx, RelationshipList
from application.shared.ports import NewId, OpenTx
from domain.graph import POPULAR, Relationship, count_changes
from domain.shared import UserId

_user, _other, _limit = (
    bindparam("user", type_=Id),
    bindparam("other", type_=Id),
    bindparam("n", type_=Integer),
)

_relationship = relationships_query(lambda far: far == _other)
_add_user = insert_new(graph_users)
_lock = (
    select(graph_users.c.user_id)
    .where(or_(graph_users.c.user_id == _user, graph_users.c.user_id == _other))
    .order_by(graph_users.c.user_id)
    .with_for_update()
)
_followers = graph_users.c.followers + bindparam("followers_by", type_=Integer)
_update_counts = (
    update(graph_users)
    .where(graph_users.c.user_id == _user)
    .values(
        followers=_followers,
        following=graph_users.c.following + bindparam("following_by", type_=Integer),
        version=graph_users.c.version + bindparam("version_by", type_=Integer),
        popular=case(
            (_followers >= bindparam("popular_at", type_=Integer), true()), else_=graph_users.c.popular
        ),
    )
)
_WITHOUT_END = (follows, follow_requests, blocks)
_add = {table.name: insert_new(table) for table in _WITHOUT_END}
_end = {
    table.name: delete(table).where(table.c.user_id == _user, table.c.other_id == _other)
    for table in (*_WITHOUT_END, mutes)
}
_new_mute = postgresql.insert(mutes)
_mute = _new_mute.on_conflict_do_update(
    index_elements=[mutes.c.user_id, mutes.c.other_id], set_={"until": _new_mute.excluded.until}
)
_counts = {
    name: [select(func.count()).where(table.c.user_id == _user) for table in tables]
    for name, tables in {
        "following": (follows, follow_requests),
        "blocks": (blocks,),
        "mutes": (mutes,),
    }.items()
}
_requesters = (
    select(follow_requests.c.user_id)
    .where(follow_requests.c.other_id == _user)
    .order_by(follow_requests.c.id)
    .limit(_limit)
)
_ALL = (*_WITHOUT_END, mutes)
# A limit for each table: otherwise all followers of a popular account would be sorted for every batch.
_related = union_all(
    *(
        select(
            select(far.label("other"))
            .where(near == _user)
            .limit(_limit)
            .subquery(f"{near}".replace(".", "_"))
            .c.other
        )
        for table in _ALL
        for near, far in ((table.c.user_id, table.c.other_id), (table.c.other_id, table.c.user_id))
    )
)
_remove_counts = delete(graph_users).where(graph_users.c.user_id == _user)


@dataclass(frozen=True, slots=True)
class SqlRelationships:
    transaction: Transaction
    popular_at: int

    async def lock(self, user: UserId, other: UserId) -> Relationship:
        rows = [
            {"user_id": user_id, "followers": 0, "following": 0, "version": 0, "popular": False}
            for user_id in sorted((user, other))
        ]
        for row in rows:  # in this order, because inserts of the same row wait for each other too
            await self.transaction.execute(_add_user, row)
        await self.transaction.execute(_lock, {"user": user, "other": other})
        found = await self.transaction.execute(_relationship, {"user": user, "other": other})
        return relationships_from(user, found.all(), [other])[other]

    async def save(self, before: Relationship, after: Relationship, new_id: int) -> None:
        pair = {"user": after.user, "other": after.other}
        back = {"user": after.other, "other": after.user}
        for table, direction, was, now in (
            ("follows", pair, before.following, after.following),
            ("follows", back, before.followed_by, after.followed_by),
            ("follow_requests", pair, before.requested, after.requested),
            ("follow_requests", back, before.requested_by, after.requested_by),
            ("blocks", pair, before.blocking, after.blocking),
            ("blocks", back, before.blocked_by, after.blocked_by),
        ):
            if now and not was:
                row = {"user_id": direction["user"], "other_id": direction["other"], "id": new_id}
                await self.transaction.execute(_add[table], row)
            elif was and not now:
                await self.transaction.execute(_end[table], direction)
        if after.muting and (not before.muting or before.muted_until != after.muted_until):
            mute = {"user_id": after.user, "other_id": after.other, "id": new_id, "until": after.muted_until}
            await self.transaction.execute(_mute, mute)
        elif before.muting and not after.muting:
            await self.transaction.execute(_end["mutes"], pair)
        for change in count_changes(before, after):
            if change.changed or change.followers:
                await self.transaction.execute(
                    _update_counts,
                    {
                        "user": change.user,
                        "followers_by": change.followers,
                        "following_by": change.following,
                        "version_by": int(change.changed),
                        "popular_at": self.popular_at,
                    },
                )

    async def count(self, relationship_list: RelationshipList, user: UserId) -> int:
        counts = [
            await self.transaction.execute(count, {"user": user}) for count in _counts[relationship_list]
        ]
        return sum(int(count.scalar_one()) for count in counts)

    async def requesters(self, user: UserId, limit: int) -> Sequence[UserId]:
        return [*(await self.transaction.execute(_requesters, {"user": user, "n": limit})).scalars()]

    async def related(self, user: UserId, limit: int) -> Sequence[UserId]:
        found = (await self.transaction.execute(_related, {"user": user, "n": limit})).scalars()
        return sorted({UserId(other) for other in found})[:limit]

    async def remove_counts(self, user: UserId) -> None:
        await self.transaction.execute(_remove_counts, {"user": user})


def transactions(database: Database, new_id: NewId, popular_at: int = POPULAR) -> OpenTx[GraphTx]:
    def ports(transaction: Transaction) -> GraphTx:
        return GraphTx(SqlRelationships(transaction, popular_at), SqlOutbox(transaction, new_id))

    return database.transactions(ports)
