"""The mail queue in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from adapters.memory.notifications.rows import MAILS, DueRow
from adapters.memory.store import Draft, Rows, Store
from application.notifications.ports import DueMail
from application.shared.ports import Clock


@dataclass(frozen=True, slots=True)
class MemoryMailQueue:
    store: Store
    now: Clock
    monotonic: Callable[[], float]

    async def claim(self, limit: int, lease: timedelta) -> Sequence[DueMail]:
        now, wall = self.monotonic(), self.now()

        def due_of(rows: Rows) -> list[DueRow]:
            return [row for row in rows.all(MAILS) if row.due <= wall and row.leased_until <= now]

        if not due_of(self.store):  # cheaper than a transaction
            return []
        async with self.store.begin() as rows:
            due = due_of(rows)
            claimed = sorted(due, key=lambda row: row.due)[:limit]
            number = self.store.next_number()
            for row in claimed:
                until = now + lease.total_seconds()
                rows.put(MAILS, row.user, replace(row, lease=number, leased_until=until))
        return [DueMail(row.user, row.since, row.attempts, number) for row in claimed]

    async def done(self, mail: DueMail, up_to: int, cooldown: timedelta) -> None:
        async with self.store.begin() as rows:
            if row := _leased(rows, mail):
                if row.last <= up_to and not cooldown:
                    rows.delete(MAILS, mail.user)
                else:
                    cooling = DueRow(row.user, up_to + 1, row.last, self.now() + cooldown)
                    rows.put(MAILS, mail.user, cooling)

    async def retry(self, mail: DueMail, after: timedelta) -> None:
        async with self.store.begin() as rows:
            if row := _leased(rows, mail):
                again = replace(
                    row, attempts=row.attempts + 1, due=self.now() + after, lease=0, leased_until=0.0
                )
                rows.put(MAILS, mail.user, again)

    async def waiting(self) -> int:
        return sum(row.last >= row.since for row in self.store.all(MAILS))


def _leased(rows: Draft, mail: DueMail) -> DueRow | None:
    row: DueRow | None = rows.get(MAILS, mail.user)
    return row if row is not None and row.lease == mail.lease else None
