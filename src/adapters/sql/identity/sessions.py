"""The table of sessions, within transactions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from adapters.sql.identity.tables import sessions
from adapters.sql.metadata import Id, instant, millis
from adapters.sql.sealing import Sealer
from adapters.sql.transactions import Transaction
from domain.identity import Session, SessionEnded, TokenExchange
from domain.shared import SessionId, UserId

_session_row = select(sessions).where(sessions.c.id == bindparam("session_id", type_=Id)).with_for_update()

_add = insert(sessions)


@dataclass(frozen=True, slots=True)
class SqlSessions:
    transaction: Transaction
    sealer: Sealer

    async def add(self, session: Session) -> None:
        await self.transaction.execute(_add, self._row(session))

    async def get(self, session_id: SessionId) -> Session:
        row = (await self.transaction.execute(_session_row, {"session_id": session_id})).first()
        if row is None:
            raise SessionEnded("no such session")
        members = row._asdict()
        sealed, network = members.pop("device_sealed"), members.pop("network")
        return Session(
            device=opened_device(session_id, sealed, self.sealer),
            network=network or "",
            exchanges=_exchanges(members.pop("exchanged")),
            **members,
        )

    async def save(self, session: Session) -> None:
        await self.transaction.execute(
            update(sessions).where(sessions.c.id == session.id).values(self._row(session))
        )

    async def remove_all(self, user_id: UserId) -> Sequence[SessionId]:
        gone = delete(sessions).where(sessions.c.user_id == user_id).returning(sessions.c.id)
        return [SessionId(row.id) for row in await self.transaction.execute(gone)]

    async def make_room(self, user_id: UserId, keep: int) -> Sequence[SessionId]:
        beyond = (
            select(sessions.c.id)
            .where(sessions.c.user_id == user_id)
            .order_by(sessions.c.ended_at.is_not(None), sessions.c.refreshed_at.desc(), sessions.c.id.desc())
            .offset(keep)
        )
        gone = delete(sessions).where(sessions.c.id.in_(beyond)).returning(sessions.c.id)
        return [SessionId(row.id) for row in await self.transaction.execute(gone)]

    async def end_some(self, before: datetime, now: datetime, limit: int) -> Sequence[SessionId]:
        began_before = sessions.c.id < millis(before) << 16  # ids contain the time of their allocation
        some = (
            select(sessions.c.id)
            .where(sessions.c.ended_at.is_(None), began_before)
            .order_by(sessions.c.id)
            .limit(limit)
            .with_for_update()
        )
        # Two statements: PostgreSQL may run a subquery more than once, and then end more than `limit` sessions.
        ended = [SessionId(row.id) for row in await self.transaction.execute(some)]
        if ended:
            change = update(sessions).where(sessions.c.id.in_(ended)).values(ended_at=now)
            await self.transaction.execute(change)
        return ended

    async def end_all(
        self, user_id: UserId, now: datetime, *, but: SessionId | None = None
    ) -> Sequence[SessionId]:
        active = sessions.c.user_id == user_id, sessions.c.ended_at.is_(None), sessions.c.id != (but or 0)
        ended = update(sessions).where(*active).values(ended_at=now).returning(sessions.c.id)
        return [SessionId(row.id) for row in await self.transaction.execute(ended)]

    def _row(self, session: Session) -> dict[str, Any]:
        device = session.device.encode()
        return {
            "id": session.id,
            "user_id": session.user_id,
            "seed": session.seed,
            "generation": session.generation,
            "exchanged": json.dumps([[each.generation, millis(each.at)] for each in session.exchanges])
            if session.exchanges
            else None,
            "refreshed_at": session.refreshed_at,
            "authenticated_at": session.authenticated_at,
            "device_sealed": self.sealer.seal(device, _device_context(session.id)) if device else None,
            "network": session.network or None,
            "ended_at": session.ended_at,
        }


def _exchanges(stored: str | None) -> tuple[TokenExchange, ...]:
    rows: list[tuple[int, int]] = json.loads(stored) if stored else []
    return tuple(TokenExchange(generation, instant(ms)) for generation, ms in rows)


def opened_device(session_id: int, sealed: bytes | None, sealer: Sealer) -> str:
    return "" if sealed is None else sealer.open(sealed, _device_context(session_id)).decode()


def _device_context(session_id: int) -> str:
    return f"sessions.device/{session_id}"
