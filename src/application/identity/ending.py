"""End sessions, by their owner or by the operator."""

from contextlib import suppress
from datetime import timedelta

from application.identity.ports import IdentityTx
from application.identity.security import SecurityLog
from application.identity.sessions import SessionsEnded
from application.shared.ports import Clock, OpenTx
from domain.dataclasses import dataclass
from domain.identity import SessionEnded, SessionNotFound
from domain.shared import SessionId, UserId

BATCH = 500
"""Sessions that are ended in one transaction."""


@dataclass(frozen=True, slots=True)
class LogOut:
    """End a session. Does nothing if the session has ended, or was deleted with its account."""

    open_tx: OpenTx[IdentityTx]
    clock: Clock
    security: SecurityLog
    sessions_ended: SessionsEnded

    async def __call__(self, session_id: SessionId) -> None:
        with suppress(SessionEnded):
            async with self.open_tx() as tx:
                session = await tx.sessions.get(session_id)
                await tx.sessions.save(session.ended(self.clock()))
                await tx.idempotency.wipe_credentials([session_id])
            self.security("logout", user_id=session.user_id, session_id=session_id)
        self.sessions_ended([session_id])


@dataclass(frozen=True, slots=True)
class EndOwnSession:
    """End one of the user's own sessions. Raises SessionNotFound for any other session, and RecentLoginRequired unless
    `current`, the session of the request, ends itself or has given the password recently."""

    open_tx: OpenTx[IdentityTx]
    clock: Clock
    security: SecurityLog
    sessions_ended: SessionsEnded

    async def __call__(self, user_id: UserId, current: SessionId, session_id: SessionId) -> None:
        with self.security.recording_refusals("session_ended", user_id=user_id, session_id=current):
            await self._end(user_id, current, session_id)
        self.security("session_ended", user_id=user_id, session_id=session_id)
        self.sessions_ended([session_id])

    async def _end(self, user_id: UserId, current: SessionId, session_id: SessionId) -> None:
        now = self.clock()
        async with self.open_tx() as tx:
            # Lock the account first, so that two sessions that end each other do not deadlock.
            await tx.accounts.get(user_id)
            try:
                session = await tx.sessions.get(session_id)
            except SessionEnded:
                raise SessionNotFound("no such session") from None
            if session.user_id != user_id or not session.alive(now):
                raise SessionNotFound("no such session")
            if session_id != current:
                (await tx.sessions.get(current)).require_recent(now)
            await tx.sessions.save(session.ended(now))
            await tx.idempotency.wipe_credentials([session_id])


@dataclass(frozen=True, slots=True)
class EndOwnSessions:
    """End all sessions of the user, or with `keep_current` all others. Raises RecentLoginRequired unless `current`, the
    session of the request, has given the password recently."""

    open_tx: OpenTx[IdentityTx]
    clock: Clock
    security: SecurityLog
    sessions_ended: SessionsEnded

    async def __call__(self, user_id: UserId, current: SessionId, *, keep_current: bool = False) -> None:
        now = self.clock()
        with self.security.recording_refusals("logout_all", user_id=user_id, session_id=current):
            async with self.open_tx() as tx:
                await tx.accounts.get(
                    user_id
                )  # lock: a concurrent login comes before or after, not in between
                (await tx.sessions.get(current)).require_recent(now)
                ended = await tx.sessions.end_all(user_id, now, but=current if keep_current else None)
                await tx.idempotency.wipe_credentials(ended)
        self.security("logout_all", user_id=user_id, session_id=current)
        self.sessions_ended(ended)

    async def by_operator(self, user_id: UserId) -> int:
        """End all sessions of a user without a confirmation. Returns how many were ended. Raises UserNotFound."""
        async with self.open_tx() as tx:
            await tx.accounts.get(user_id)
            ended = await tx.sessions.end_all(user_id, self.clock())
            await tx.idempotency.wipe_credentials(ended)
        self.security("logout_all", reason="operator", user_id=user_id)
        return len(ended)


@dataclass(frozen=True, slots=True)
class EndSessionsOfAllUsers:
    """End every session of every user that began until now, because a key leaked. Returns how many were ended. Works in
    small transactions, so that servers can go on meanwhile."""

    open_tx: OpenTx[IdentityTx]
    clock: Clock
    security: SecurityLog

    async def __call__(self) -> int:
        total, until = 0, self.clock() + timedelta(milliseconds=1)
        while True:
            async with self.open_tx() as tx:
                ended = await tx.sessions.end_some(until, self.clock(), BATCH)
                await tx.idempotency.wipe_credentials(ended)
            total += len(ended)
            if len(ended) < BATCH:
                self.security("all_sessions_ended", reason="operator")
                return total
