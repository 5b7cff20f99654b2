"""Stream tickets in SQL."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import LargeBinary, bindparam, delete, insert

from adapters.sql.database import Database
from adapters.sql.metadata import Id, now_ms
from adapters.sql.notifications.tables import tickets
from application.notifications.ports import StreamTicket
from domain.shared import SessionId, UserId

_add = insert(tickets).values(expires_at=now_ms() + bindparam("lasts_ms", type_=Id))
# Of concurrent attempts, the one that deletes the row gets the ticket.
_redeem = (
    delete(tickets)
    .where(tickets.c.digest == bindparam("which", type_=LargeBinary))
    .returning(tickets.c.user_id, tickets.c.session_id, tickets.c.until, tickets.c.expires_at > now_ms())
)


@dataclass(frozen=True, slots=True)
class SqlStreamTickets:
    database: Database

    async def add(self, digest: bytes, ticket: StreamTicket, lasts: timedelta) -> None:
        async with self.database.begin() as transaction:
            await transaction.execute(
                _add,
                {
                    "digest": digest,
                    "user_id": ticket.user,
                    "session_id": ticket.session,
                    "until": ticket.until,
                    "lasts_ms": lasts // timedelta(milliseconds=1),
                },
            )

    async def redeem(self, digest: bytes) -> StreamTicket | None:
        async with self.database.begin() as transaction:
            row = (await transaction.execute(_redeem, {"which": digest})).one_or_none()
        if row is None or not row[3]:
            return None
        return StreamTicket(UserId(row[0]), SessionId(row[1]), row[2])
