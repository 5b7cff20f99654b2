"""Giving one's password again, and changing it."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.identity.ports import CommonPasswords, IdentityReader, IdentityTx, Passwords
from application.identity.security import SecurityLog
from application.identity.sessions import SessionMaker, SessionsEnded, Tokens
from application.identity.throttle import Throttle
from application.shared.ports import Clock, OpenTx
from domain.identity import SessionEnded, WrongPassword, new_password, password
from domain.shared import Invalid, SessionId, UserId


@dataclass(frozen=True, slots=True)
class NewPassword:
    """What a new password must not be. Raises Invalid."""

    common: CommonPasswords
    site: Sequence[str]
    """What the site is called."""

    def __call__(self, raw: str, *, username: str, email: str, field: str = "password") -> str:
        names = (username, email.partition("@")[0], *self.site)
        return new_password(raw, common=self.common, names=names, field=field)


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """The stored hash that one's password was compared with. Raises WrongPassword, after the same time
    whatever is wrong with it, TooManyAttempts, and Overloaded."""

    reader: IdentityReader
    passwords: Passwords
    throttle: Throttle

    async def __call__(self, user_id: UserId, session_id: SessionId, secret: str) -> str:
        account = await self.reader.account(user_id)
        try:
            secret = password(secret)
        except Invalid:
            secret = ""  # no account has it; the answer must come as late as for any other wrong one
        async with self.throttle.confirmation(user_id, session_id):
            right, _ = await self.passwords.verify(secret, account.password_hash)
            if not right:
                raise WrongPassword("the password is wrong")
        return account.password_hash


@dataclass(frozen=True, slots=True)
class ConfirmPassword:
    """Give one's password again, so that this session may do what is dangerous for the next minutes. It gets new
    tokens, and the refresh tokens before them end. Raises WrongPassword, Overloaded, SessionEnded."""

    open_tx: OpenTx[IdentityTx]
    check: CheckPassword
    sessions: SessionMaker
    clock: Clock
    security: SecurityLog

    async def __call__(self, user_id: UserId, session_id: SessionId, secret: str) -> Tokens:
        with self.security.recording_refusals("password_confirmed", user_id=user_id, session_id=session_id):
            tokens = await self._confirmed(user_id, session_id, secret)
        self.security("password_confirmed", user_id=user_id, session_id=session_id)
        return tokens

    async def _confirmed(self, user_id: UserId, session_id: SessionId, secret: str) -> Tokens:
        compared = await self.check(user_id, session_id, secret)
        now = self.clock()
        async with self.open_tx() as tx:
            if (await tx.accounts.get(user_id)).password_hash != compared:
                raise WrongPassword("the password was changed meanwhile")
            session = await tx.sessions.get(session_id)
            if not session.alive(now):
                raise SessionEnded("this session has ended, log in again")
            session = self.sessions.renewed(session, now)
            await tx.sessions.save(session)
            await tx.idempotency.wipe_credentials([session_id])
        return self.sessions.tokens(session, now)


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Set another password and end all other sessions: whoever knew the old one is out. This session gets new tokens,
    and the refresh tokens before them end. Raises Invalid, WrongPassword, Overloaded, SessionEnded."""

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
            tokens = await self._changed(user_id, session_id, current, new)
        self.security("password_changed", user_id=user_id, session_id=session_id)
        return tokens

    async def _changed(self, user_id: UserId, session_id: SessionId, current: str, new: str) -> Tokens:
        account = await self.reader.account(user_id)
        new = self.new_password(new, username=account.username, email=account.email, field="new_password")
        compared = await self.check(user_id, session_id, current)
        hashed = await self.passwords.hash(new)  # before the transaction: it takes long
        now = self.clock()
        async with self.open_tx() as tx:
            if (await tx.accounts.get(user_id)).password_hash != compared:
                raise WrongPassword("the password was changed meanwhile")
            session = await tx.sessions.get(session_id)
            if not session.alive(now):
                raise SessionEnded("this session has ended, log in again")
            await tx.accounts.set_password_hash(user_id, hashed)
            session = self.sessions.renewed(session, now)
            await tx.sessions.save(session)
            ended = await tx.sessions.end_all(user_id, now, but=session_id)
            await tx.idempotency.wipe_credentials([*ended, session_id])
        self.sessions_ended(ended)
        return self.sessions.tokens(session, now)
