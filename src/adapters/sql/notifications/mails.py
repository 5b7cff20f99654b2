"""The mail queue in SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Integer, and_, bindparam, delete, func, literal, select, update

from adapters.sql.database import Database
from adapters.sql.leases import end_of_lease, serialize
from adapters.sql.metadata import Id, now_ms
from adapters.sql.notifications.tables import mails
from adapters.sql.statements import Prepared
from application.notifications.ports import DueMail
from domain.shared import UserId

_CLAIM_LOCK = 0x6D61696C
"""Serializes the claims of several processes, since a claim must see the leases of the one before."""
MAX_COUNTED = 100_000
"""A count for metrics is not worth more reading."""

_due = and_(mails.c.due_at <= now_ms(), mails.c.leased_until <= now_ms())
_is_due = Prepared(select(literal(1)).select_from(mails).where(_due).limit(literal(1)))
_claim = select(mails).where(_due).order_by(mails.c.due_at).limit(bindparam("n", type_=Integer))
_who, _lease = bindparam("who", type_=Id), bindparam("lease", type_=Id)
_take = update(mails).where(mails.c.user_id == _who).values(leased_until=_lease)
# The end of a lease identifies it.
_leased = and_(mails.c.user_id == _who, mails.c.leased_until == _lease)
_after = now_ms() + bindparam("after_ms", type_=Id)
_finish = (
    update(mails)
    .where(_leased)
    .values(since=bindparam("from_here", type_=Id), due_at=_after, attempts=0, leased_until=0)
)
_end = delete(mails).where(mails.c.user_id == _who, mails.c.leased_until == 0, mails.c.last < mails.c.since)
_counted = select(mails.c.user_id).where(mails.c.due_at > 0, mails.c.last >= mails.c.since).limit(MAX_COUNTED)
_waiting = Prepared(select(func.count()).select_from(_counted.subquery()))
_retry = update(mails).where(_leased).values(attempts=mails.c.attempts + 1, due_at=_after, leased_until=0)


@dataclass(frozen=True, slots=True)
class SqlMailQueue:
    database: Database

    async def claim(self, limit: int, lease: timedelta) -> Sequence[DueMail]:
        if not await self.database.fetch(_is_due):
            return []
        async with self.database.begin() as transaction:
            await serialize(self.database, transaction, _CLAIM_LOCK)
            rows = (await transaction.execute(_claim, {"n": limit})).all()
            until = await end_of_lease(transaction, lease)
            if rows:
                await transaction.execute(_take, [{"who": row.user_id, "lease": until} for row in rows])
        return [DueMail(UserId(row.user_id), row.since, row.attempts, until) for row in rows]

    async def done(self, mail: DueMail, up_to: int, cooldown: timedelta) -> None:
        lease = {"who": mail.user, "lease": mail.lease}
        after = {"from_here": up_to + 1, "after_ms": cooldown // timedelta(milliseconds=1)}
        async with self.database.begin() as transaction:
            finished = (await transaction.execute(_finish, lease | after)).rowcount
            if finished and not cooldown:
                await transaction.execute(_end, {"who": mail.user})

    async def retry(self, mail: DueMail, after: timedelta) -> None:
        after_ms = after // timedelta(milliseconds=1)
        async with self.database.begin() as transaction:
            await transaction.execute(_retry, {"who": mail.user, "lease": mail.lease, "after_ms": after_ms})

    async def waiting(self) -> int:
        return int((await self.database.fetch_slow(_waiting))[0][0])
