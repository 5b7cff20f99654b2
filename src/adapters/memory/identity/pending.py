"""Pending registrations in memory, and the queue of their mails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from adapters.memory.identity.accounts import MemoryAccounts
from adapters.memory.store import Draft, Rows, Store
from adapters.text import email_key
from application.identity.ports import DueConfirmation, PendingRegistration
from application.shared.ports import Clock
from domain.identity import UsernameTaken

PENDING = "pending_registrations"
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PendingRow:
    pending: PendingRegistration
    due: datetime | None
    """None once the mail was sent or dropped."""
    attempts: int = 0
    lease: int = 0
    leased_until: float = 0.0
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MemoryPendingRegistrations:
    rows: Draft
    accounts: MemoryAccounts

    async def add(self, pending: PendingRegistration, now: datetime) -> None:
        for number, row in self.rows.items(PENDING):
            if row.pending.expires_at <= now:
                self.rows.delete(PENDING, number)
            elif row.pending.username == pending.username:
                raise UsernameTaken("this username is taken")
        self.accounts.check_name(pending.username, now)
        self.rows.put(PENDING, pending.id, PendingRow(pending, now))

    async def take(self, digest: bytes, now: datetime) -> PendingRegistration | None:
        for number, row in self.rows.items(PENDING):
            pending: PendingRegistration = row.pending
            if pending.digest == digest and pending.expires_at > now:
                self.rows.delete(PENDING, number)
                return pending
        return None


@dataclass(frozen=True, slots=True)
class MemoryConfirmationQueue:
    store: Store
    now: Clock
    monotonic: Callable[[], float]

    async def claim(self, limit: int, lease: timedelta) -> Sequence[DueConfirmation]:
        now, wall = self.monotonic(), self.now()

        def due_of(rows: Rows) -> list[PendingRow]:
            return [
                row
                for row in rows.all(PENDING)
                if row.due is not None
                and row.due <= wall < row.pending.expires_at
                and row.leased_until <= now
                and _key(row) not in {_key(other) for other in rows.all(PENDING) if other.leased_until > now}
            ]

        if not due_of(self.store):  # a read costs less than a transaction
            return []
        async with self.store.begin() as rows:
            due = sorted(due_of(rows), key=lambda row: (row.due, row.pending.id))[:limit]
            claimed = list({_key(row): row for row in reversed(due)}.values())[::-1]
            number = self.store.next_number()
            for row in claimed:
                until = now + lease.total_seconds()
                rows.put(PENDING, row.pending.id, replace(row, lease=number, leased_until=until))
            recent = [
                _key(row)
                for row in rows.all(PENDING)
                if row.sent_at is not None and wall - row.sent_at < HOUR
            ]
        return [
            DueConfirmation(
                row.pending.id,
                row.pending.username,
                row.pending.email,
                row.pending.seed,
                recent.count(_key(row)),
                row.attempts,
                number,
            )
            for row in claimed
        ]

    async def done(self, due: DueConfirmation, *, sent: bool) -> None:
        async with self.store.begin() as rows:
            if row := _leased(rows, due):
                finished = replace(row, due=None, lease=0, leased_until=0.0)
                rows.put(PENDING, due.id, replace(finished, sent_at=self.now()) if sent else finished)

    async def retry(self, due: DueConfirmation, after: timedelta) -> None:
        async with self.store.begin() as rows:
            if row := _leased(rows, due):
                again = replace(
                    row, attempts=row.attempts + 1, due=self.now() + after, lease=0, leased_until=0.0
                )
                rows.put(PENDING, due.id, again)


def _key(row: PendingRow) -> str:
    return email_key(row.pending.email)


def _leased(rows: Draft, due: DueConfirmation) -> PendingRow | None:
    row: PendingRow | None = rows.get(PENDING, due.id)
    return row if row is not None and row.lease == due.lease else None
