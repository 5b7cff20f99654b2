"""Sessions in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.memory.store import Draft
from domain.identity import Session, SessionEnded
from domain.shared import SessionId, UserId


@dataclass(frozen=True, slots=True)
class MemorySessions:
    rows: Draft

    async def add(self, session: Session) -> None:
        self.rows.put("sessions", session.id, session)

    async def get(self, session_id: SessionId) -> Session:
        session: Session | None = self.rows.get("sessions", session_id)
        if session is None:
            raise SessionEnded("no such session")
        return session

    async def save(self, session: Session) -> None:
        self.rows.put("sessions", session.id, session)

    async def remove_all(self, user_id: UserId) -> Sequence[SessionId]:
        theirs = [session.id for session in self.rows.all("sessions") if session.user_id == user_id]
        for session_id in theirs:
            self.rows.delete("sessions", session_id)
        return theirs

    async def make_room(self, user_id: UserId, keep: int) -> Sequence[SessionId]:
        theirs: list[Session] = [each for each in self.rows.all("sessions") if each.user_id == user_id]
        theirs.sort(key=lambda each: (each.ended_at is None, each.refreshed_at, each.id), reverse=True)
        for session in theirs[keep:]:
            self.rows.delete("sessions", session.id)
        return [session.id for session in theirs[keep:]]

    async def end_some(self, before: datetime, now: datetime, limit: int) -> Sequence[SessionId]:
        ending: list[Session] = [
            each for each in self.rows.all("sessions") if each.ended_at is None and each.created_at < before
        ]
        for session in ending[:limit]:
            await self.save(session.ended(now))
        return [session.id for session in ending[:limit]]

    async def end_all(
        self, user_id: UserId, now: datetime, *, but: SessionId | None = None
    ) -> Sequence[SessionId]:
        ending: list[Session] = [
            session
            for session in self.rows.all("sessions")
            if session.user_id == user_id and session.ended_at is None and session.id != but
        ]
        for session in ending:
            await self.save(session.ended(now))
        return [session.id for session in ending]
