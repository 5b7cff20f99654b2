"""Stream tickets in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from adapters.memory.notifications.rows import TICKETS
from adapters.memory.store import Store
from application.notifications.ports import StreamTicket


@dataclass(frozen=True, slots=True)
class MemoryStreamTickets:
    store: Store
    monotonic: Callable[[], float]

    async def add(self, digest: bytes, ticket: StreamTicket, lasts: timedelta) -> None:
        now = self.monotonic()
        async with self.store.begin() as rows:
            for other, (_ticket, expires) in rows.items(TICKETS):  # few: those of the last half minute
                if expires <= now:
                    rows.delete(TICKETS, other)
            rows.put(TICKETS, digest, (ticket, now + lasts.total_seconds()))

    async def redeem(self, digest: bytes) -> StreamTicket | None:
        async with self.store.begin() as rows:
            found: tuple[StreamTicket, float] | None = rows.get(TICKETS, digest)
            if found is None:
                return None
            rows.delete(TICKETS, digest)
        ticket, expires = found
        return ticket if self.monotonic() < expires else None
