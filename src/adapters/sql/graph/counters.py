"""Counting followers and following anew."""

from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, func, select, update

from adapters.sql.database import Database
from adapters.sql.graph.tables import follows, graph_users
from adapters.sql.metadata import Id
from application.graph.ports import Recounted
from domain.shared import UserId

_some = (
    select(graph_users)
    .where(graph_users.c.user_id > bindparam("above", type_=Id))
    .order_by(graph_users.c.user_id)
    .limit(bindparam("n", type_=Integer))
    .with_for_update()
)
_followers = select(follows.c.other_id, func.count()).group_by(follows.c.other_id)
_following = select(follows.c.user_id, func.count()).group_by(follows.c.user_id)
_mend = (
    update(graph_users)
    .where(graph_users.c.user_id == bindparam("who", type_=Id))
    .values(followers=bindparam("right_followers"), following=bindparam("right_following"))
)


@dataclass(frozen=True, slots=True)
class SqlGraphCounters:
    database: Database

    async def recount(self, above: UserId, limit: int, *, mend: bool) -> Recounted:
        async with self.database.begin() as connection:
            rows = (await connection.execute(_some, {"above": above, "n": limit})).all()
            if not rows:
                return Recounted(None, {})
            ids = [row.user_id for row in rows]
            followers = {
                row[0]: row[1]
                for row in await connection.execute(_followers.where(follows.c.other_id.in_(ids)))
            }
            following = {
                row[0]: row[1]
                for row in await connection.execute(_following.where(follows.c.user_id.in_(ids)))
            }
            drift = {"followers": 0, "following": 0}
            for row in rows:
                right = followers.get(row.user_id, 0), following.get(row.user_id, 0)
                off = abs(row.followers - right[0]), abs(row.following - right[1])
                drift["followers"] += off[0]
                drift["following"] += off[1]
                if mend and any(off):
                    await connection.execute(
                        _mend, {"who": row.user_id, "right_followers": right[0], "right_following": right[1]}
                    )
        return Recounted(UserId(ids[-1]), drift)
