"""Leases of process numbers, by the clock of the database."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Column, Integer, String, Table, bindparam, delete, func, insert, select, update

from adapters.ids import PROCESSES, Lease
from adapters.sql.database import Database
from adapters.sql.leases import serialize
from adapters.sql.metadata import Id, metadata, now_ms
from adapters.sql.transactions import Transaction
from domain.shared import Unavailable

process_numbers = Table(
    "process_numbers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("holder", String(64), nullable=False),
    Column("until_ms", Id, nullable=False),
    sqlite_with_rowid=False,
)

LEASE = timedelta(seconds=30)
_LEASE_MS = LEASE // timedelta(milliseconds=1)
_TAKE_LOCK = 0x77616770

_renew = (
    update(process_numbers)
    .where(
        process_numbers.c.number == bindparam("n"),
        process_numbers.c.holder == bindparam("h"),
        process_numbers.c.until_ms > now_ms(),
    )
    .values(until_ms=bindparam("until"))
)
_now = select(now_ms())
_held = select(func.count()).where(process_numbers.c.until_ms > now_ms())


@dataclass(frozen=True, slots=True)
class ProcessNumbers:
    database: Database
    holder: str
    """Random, new for each start of a process."""

    async def take(self) -> Lease:
        """Lease a free number. Raises Unavailable if there is none."""
        async with self.database.begin() as transaction:
            await serialize(self.database, transaction, _TAKE_LOCK)
            now = await self._now(transaction)
            # locked, so that a concurrent renewal is either seen or waits
            rows = (await transaction.execute(select(process_numbers).with_for_update())).all()
            held = {row.number for row in rows if row.until_ms >= now}
            number = next((number for number in range(PROCESSES) if number not in held), None)
            if number is None:
                raise Unavailable(f"all {PROCESSES} process numbers are in use", retry_after=30)
            await transaction.execute(delete(process_numbers).where(process_numbers.c.number == number))
            row = {"number": number, "holder": self.holder, "until_ms": now + _LEASE_MS}
            await transaction.execute(insert(process_numbers), row)
        return Lease(number, now, now + _LEASE_MS, len(held) + 1)

    async def renew(self, lease: Lease) -> Lease | None:
        """The lease with a later end; None if it has ended and may belong to another process."""
        async with self.database.begin() as transaction:
            now = await self._now(transaction)
            until = now + _LEASE_MS
            renewed = await transaction.execute(_renew, {"n": lease.number, "h": self.holder, "until": until})
            processes = (await transaction.execute(_held)).scalar_one()
        return Lease(lease.number, now, until, processes) if renewed.rowcount else None

    @staticmethod
    async def _now(transaction: Transaction) -> int:
        return int((await transaction.execute(_now)).scalar_one())
