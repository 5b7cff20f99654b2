"""Sessions as they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.identity.tables import sessions
from adapters.sql.metadata import Id
from domain.identity import Session, SessionEnded
from domain.shared import SessionId, UserId

_session_row = select(sessions).where(sessions.c.id == bindparam("session_id", type_=Id)).with_for_update()


@dataclass(frozen=True, slots=True)
class SqlSessions:
    connection: AsyncConnection

    async def add(self, session: Session) -> None:
        await self.connection.execute(insert(sessions), _row(session))

    async def get(self, session_id: SessionId) -> Session:
        row = (await self.connection.execute(_session_row, {"session_id": session_id})).first()
        if row is None:
            raise SessionEnded("no such session")
        return Session(**row._mapping)

    async def save(self, session: Session) -> None:
        await self.connection.execute(
            update(sessions).where(sessions.c.id == session.id).values(_row(session))
        )

    async def remove_all(self, user_id: UserId) -> Sequence[SessionId]:
        gone = delete(sessions).where(sessions.c.user_id == user_id).returning(sessions.c.id)
        return [SessionId(row.id) for row in await self.connection.execute(gone)]


def _row(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "seed": session.seed,
        "generation": session.generation,
        "refreshed_at": session.refreshed_at,
        "ended_at": session.ended_at,
    }
