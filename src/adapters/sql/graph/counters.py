"""Recounts followers and followed accounts."""

from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, func, select, update

from adapters.sql.database import Database
from adapters.sql.graph.tables import follows, graph_users
from adapters.sql.metadata import Id
from application.graph.ports import FollowRecount
from domain.shared import UserId

_batch = (
    select(graph_users)
    .where(graph_users.c.user_id > bindparam("above", type_=Id))
    .order_by(graph_users.c.user_id)
    .limit(bindparam("n", type_=Integer))
    .with_for_update()
)
_followers = select(follows.c.other_id, func.count()).group_by(follows.c.other_id)
_following = select(follows.c.user_id, func.count()).group_by(follows.c.user_id)
_correct = (
    update(graph_users)
    .where(graph_users.c.user_id == bindparam("user", type_=Id))
    .values(followers=bindparam("actual_followers"), following=bindparam("actual_following"))
)


@dataclass(frozen=True, slots=True)
class SqlGraphCounters:
    database: Database

    async def recount(self, above: UserId, limit: int, *, repair: bool) -> FollowRecount:
        async with self.database.begin() as transaction:
            rows = (await transaction.execute(_batch, {"above": above, "n": limit})).all()
            if not rows:
                return FollowRecount(None, {})
            ids = [row.user_id for row in rows]
            followers = {
                row[0]: row[1]
                for row in await transaction.execute(_followers.where(follows.c.other_id.in_(ids)))
            }
            following = {
                row[0]: row[1]
                for row in await transaction.execute(_following.where(follows.c.user_id.in_(ids)))
            }
            drift = {"followers": 0, "following": 0}
            for row in rows:
                actual = followers.get(row.user_id, 0), following.get(row.user_id, 0)
                drifted = abs(row.followers - actual[0]), abs(row.following - actual[1])
                drift["followers"] += drifted[0]
                drift["following"] += drifted[1]
                if repair and any(drifted):
                    await transaction.execute(
                        _correct,
                        {"user": row.user_id, "actual_followers": actual[0], "actual_following": actual[1]},
                    )
        return FollowRecount(UserId(ids[-1]), drift)
