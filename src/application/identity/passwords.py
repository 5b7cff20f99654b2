"""Confirm and change passwords."""

from collections.abc import Sequence
from datetime import datetime

from application.identity.ports import CommonPasswordCheck, IdentityReader, IdentityTx, Passwords
from application.identity.security import SecurityLog
from application.identity.sessions import SessionMaker, SessionsEnded, Tokens
from application.identity.throttle import Throttle
from application.shared.ports import Clock, OpenTx
from domain.dataclasses import dataclass
from domain.identity import Session, SessionEnded, WrongPassword, new_password, password
from domain.shared import Invalid, SessionId, UserId


@dataclass(frozen=True, slots=True)
class NewPassword:
    """Check and normalise a new password. Raises Invalid."""

    common: CommonPasswordCheck
    site: Sequence[str]
    """The names of this site, which a password must not contain."""

    def __call__(self, raw: str, *, username: str, email: str, field: str = "password") -> str:
        names = (username, email.partition("@")[0], *self.site)
        return new_password(raw, common=self.common, names=names, field=field)


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Compare the user's password, and return the stored hash that it matched. Raises WrongPassword, after the same time
    whatever is wrong with the password, TooManyAttempts, and Overloaded."""

    reader: IdentityReader
    passwords: Passwords
    throttle: Throttle

    async def __call__(self, user_id: UserId, session_id: SessionId, secret: str) -> str:
        account = await self.reader.account(user_id)
        try:
            secret = password(secret)
        except Invalid:
            secret = (
                ""  # no account has an empty password; the response must take as long as for any wrong one
            )
        async with self.throttle.confirmation(user_id, session_id):
            right, _ = await self.passwords.verify(secret, account.password_hash)
            if not right:
                raise WrongPassword("the password is wrong")
        return account.password_hash


async def _confirmed_session(
    tx: IdentityTx, user_id: UserId, session_id: SessionId, compared: str, now: datetime
) -> Session:
    """The session, if it is active, and if the password is still the one that was compared. Comparing takes long, so it
    happens before the transaction. Raises WrongPassword, SessionEnded, UserNotFound."""
    if (await tx.accounts.get(user_id)).password_hash != compared:
        raise WrongPassword("the password was changed meanwhile")
    session = await tx.sessions.get(session_id)
    if not session.alive(now):
        raise SessionEnded("this session has ended, log in again")
    return session


@dataclass(frozen=True, slots=True)
class ConfirmPassword:
    """Confirm the user's password, so that this session may perform dangerous actions for the next minutes. The session
    gets new tokens, and its earlier refresh tokens become invalid. Raises WrongPassword, TooManyAttempts, Overloaded,
    SessionEnded, UserNotFound."""

    open_tx: OpenTx[IdentityTx]
    check: CheckPassword
    sessions: SessionMaker
    clock: Clock
    security: SecurityLog

    async def __call__(self, user_id: UserId, session_id: SessionId, secret: str) -> Tokens:
        with self.security.recording_refusals("password_confirmed", user_id=user_id, session_id=session_id):
            tokens = await self._confirm(user_id, session_id, secret)
        self.security("password_confirmed", user_id=user_id, session_id=session_id)
        return tokens

    async def _confirm(self, user_id: UserId, session_id: SessionId, secret: str) -> Tokens:
        compared = await self.check(user_id, session_id, secret)
        now = self.clock()
        async with self.open_tx() as tx:
            session = await _confirmed_session(tx, user_id, session_id, compared, now)
            session = self.sessions.renewed(session, now)
            await tx.sessions.save(session)
            await tx.idempotency.wipe_credentials([session_id])
        return self.sessions.tokens(session, now)


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Set a new password and end all other sessions, so that nobody stays logged in with the old one. This session gets
    new tokens, and its earlier refresh tokens become invalid. Raises Invalid, WrongPassword, TooManyAttempts,
    Overloaded, SessionEnded, UserNotFound."""

    open_tx: OpenTx[IdentityTx]
    reader: IdentityReader
    check: CheckPassword
    passwords: Passwords
    new_password: NewPassword
    sessions: SessionMaker
    clock: Clock
    security: SecurityLog
    sessions_ended: SessionsEnded

    async def __call__(self, user_id: UserId, session_id: SessionId, current: str, new: str) -> Tokens:
        with self.security.recording_refusals("password_changed", user_id=user_id, session_id=session_id):
            tokens = await self._change(user_id, session_id, current, new)
        self.security("password_changed", user_id=user_id, session_id=session_id)
        return tokens

    async def _change(self, user_id: UserId, session_id: SessionId, current: str, new: str) -> Tokens:
        account = await self.reader.account(user_id)
        new = self.new_password(new, username=account.username, email=account.email, field="new_password")
        compared = await self.check(user_id, session_id, current)
        hashed = await self.passwords.hash(new)  # before the transaction, because it is slow
        now = self.clock()
        async with self.open_tx() as tx:
            session = await _confirmed_session(tx, user_id, session_id, compared, now)
            await tx.accounts.set_password_hash(user_id, hashed)
            session = self.sessions.renewed(session, now)
            await tx.sessions.save(session)
            ended = await tx.sessions.end_all(user_id, now, but=session_id)
            await tx.idempotency.wipe_credentials([*ended, session_id])
        self.sessions_ended(ended)
        return self.sessions.tokens(session, now)
