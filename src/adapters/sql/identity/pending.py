"""The table of pending registrations, and the queue of their mails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Integer, and_, bindparam, delete, func, literal, null, select, update
from sqlalchemy.dialects import postgresql

from adapters.sql.database import Database
from adapters.sql.identity.accounts import SqlAccounts
from adapters.sql.identity.tables import pending_registrations
from adapters.sql.leases import end_of_lease, serialize
from adapters.sql.metadata import Id, millis, now_ms
from adapters.sql.sealing import Sealer
from adapters.sql.statements import Prepared
from adapters.sql.transactions import Transaction
from adapters.text import email_key
from application.identity.ports import DueConfirmation, PendingRegistration
from domain.identity import UsernameTaken

_CLAIM_LOCK = 0x636F6E66
_HOUR_MS = 3_600_000

_c = pending_registrations.c
_insert = (
    postgresql.insert(pending_registrations)  # SQLite has the same syntax
    .on_conflict_do_nothing(index_elements=[_c.username])
    .returning(_c.id)
)
_leased = select(_c.email_index).where(_c.leased_until > now_ms(), _c.due_at.is_not(None)).scalar_subquery()
_due = and_(
    _c.due_at <= now_ms(),
    _c.leased_until <= now_ms(),
    _c.expires_at > now_ms(),
    _c.email_index.not_in(_leased),
)
_is_due = Prepared(select(literal(1)).select_from(pending_registrations).where(_due).limit(literal(1)))
_claim = (
    select(_c.id, _c.username, _c.email_index, _c.email_sealed, _c.seed, _c.attempts)
    .where(_due)
    .order_by(_c.due_at, _c.id)
    .limit(bindparam("n", type_=Integer))
)
_sent = (
    select(_c.email_index, func.count())
    .where(_c.email_index.in_(bindparam("indexes", expanding=True)), _c.sent_at > now_ms() - _HOUR_MS)
    .group_by(_c.email_index)
)
_which, _lease = bindparam("which", type_=Id), bindparam("lease", type_=Id)
_take = update(pending_registrations).where(_c.id == _which).values(leased_until=_lease)
# The end of a lease identifies it.
_leased_by_caller = and_(_c.id == _which, _c.leased_until == _lease)
_retry = (
    update(pending_registrations)
    .where(_leased_by_caller)
    .values(attempts=_c.attempts + 1, due_at=now_ms() + bindparam("after_ms", type_=Id), leased_until=0)
)
_done = update(pending_registrations).where(_leased_by_caller).values(due_at=null(), leased_until=0)
_done_and_sent = _done.values(sent_at=now_ms())


def _sealing_context(number: int) -> str:
    return f"pending_registrations.email/{number}"


@dataclass(frozen=True, slots=True)
class SqlPendingRegistrations:
    transaction: Transaction
    sealer: Sealer
    accounts: SqlAccounts

    async def add(self, pending: PendingRegistration, now: datetime) -> None:
        expired = _c.username == pending.username, _c.expires_at <= now
        await self.transaction.execute(delete(pending_registrations).where(*expired))
        row = {
            "id": pending.id,
            "username": pending.username,
            "email_index": self.sealer.index(email_key(pending.email)),
            "email_sealed": self.sealer.seal(pending.email.encode(), _sealing_context(pending.id)),
            "password_hash": pending.password_hash,
            "display_name": pending.display_name,
            "seed": pending.seed,
            "digest": pending.digest,
            "expires_at": pending.expires_at,
            "due_at": millis(now),
            "attempts": 0,
            "leased_until": 0,
        }
        if (await self.transaction.execute(_insert, row)).first() is None:
            raise UsernameTaken("this username is taken")
        # Checked after the insert, which waits for a concurrent confirmation of a registration with this name.
        await self.accounts.check_name(pending.username, now)

    async def take(self, digest: bytes, now: datetime) -> PendingRegistration | None:
        taken = delete(pending_registrations).where(_c.digest == digest, _c.expires_at > now)
        row = (await self.transaction.execute(taken.returning(pending_registrations))).first()
        if row is None:
            return None
        return PendingRegistration(
            id=row.id,
            username=row.username,
            email=self.sealer.open(row.email_sealed, _sealing_context(row.id)).decode(),
            password_hash=row.password_hash,
            display_name=row.display_name,
            seed=row.seed,
            digest=row.digest,
            expires_at=row.expires_at,
        )


@dataclass(frozen=True, slots=True)
class SqlConfirmationQueue:
    database: Database
    sealer: Sealer

    async def claim(self, limit: int, lease: timedelta) -> Sequence[DueConfirmation]:
        if not await self.database.fetch(_is_due):
            return []
        async with self.database.begin() as transaction:
            await serialize(self.database, transaction, _CLAIM_LOCK)
            rows = (await transaction.execute(_claim, {"n": limit})).all()
            rows = list({row.email_index: row for row in reversed(rows)}.values())[::-1]
            until = await end_of_lease(transaction, lease)
            if rows:
                await transaction.execute(_take, [{"which": row.id, "lease": until} for row in rows])
            counted = await transaction.execute(_sent, {"indexes": [row.email_index for row in rows]})
            sent = {row[0]: row[1] for row in counted}
        return [
            DueConfirmation(
                row.id,
                row.username,
                self.sealer.open(row.email_sealed, _sealing_context(row.id)).decode(),
                row.seed,
                sent.get(row.email_index, 0),
                row.attempts,
                until,
            )
            for row in rows
        ]

    async def done(self, due: DueConfirmation, *, sent: bool) -> None:
        async with self.database.begin() as transaction:
            await transaction.execute(
                _done_and_sent if sent else _done, {"which": due.id, "lease": due.lease}
            )

    async def retry(self, due: DueConfirmation, after: timedelta) -> None:
        after_ms = after // timedelta(milliseconds=1)
        async with self.database.begin() as transaction:
            await transaction.execute(_retry, {"which": due.id, "lease": due.lease, "after_ms": after_ms})
