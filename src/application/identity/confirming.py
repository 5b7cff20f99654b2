"""Registration with a confirmed e-mail address.

A request behaves the same whether or not the address has an account: it is checked, the password is hashed, and the
registration is stored. Which mail to send is decided when the mail is sent, outside of the request.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

from application.identity.ports import IdentityTx, PendingRegistration
from application.identity.registration import Register
from application.identity.security import SecurityLog
from application.identity.sessions import SEED_BYTES, UNKNOWN_CLIENT, ClientInfo, LoggedIn, SessionMaker
from application.shared.events import Registered
from application.shared.idempotency import IdempotentResult, run_once
from application.shared.ports import Clock, IdempotentRequest, NewId, OpenTx, Record
from domain.dataclasses import dataclass
from domain.identity import (
    CONFIRMATION_LIFE,
    Account,
    EmailTaken,
    RegistrationTokenInvalid,
    UsernameTaken,
)
from domain.shared import UserId

ConfirmationToken: TypeAlias = Callable[[bytes], str]
"""Derives the token from a seed and the server's key. The same seed always gives the same token."""


def digest_of(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class RequestRegistration:
    """Store a pending registration, which reserves the username, and let its mail be sent. Raises Invalid,
    UsernameTaken, TooManyAttempts, Overloaded."""

    register: Register
    token: ConfirmationToken
    clock: Clock

    async def __call__(
        self,
        name: str,
        address: str,
        secret: str,
        display_name: str,
        idempotent_request: IdempotentRequest | None,
        client: ClientInfo = UNKNOWN_CLIENT,
    ) -> IdempotentResult:
        """Returns an empty outcome, and whether it is a replay."""
        register = self.register
        name, address, secret, display_name = register.checked(name, address, secret, display_name)
        with register.security.recording_refusals("registration"):
            await register.throttle.registration(client.network, client.site)
            hashed = await register.passwords.hash(secret)  # before the transaction, because it is slow
            now = self.clock()
            seed = register.sessions.random_bytes(SEED_BYTES)
            pending = PendingRegistration(
                id=register.new_id(),
                username=name,
                email=address,
                password_hash=hashed,
                display_name=display_name,
                seed=seed,
                digest=digest_of(self.token(seed)),
                expires_at=now + CONFIRMATION_LIFE,
            )
            async with register.open_tx() as tx:

                async def effect() -> Record:
                    await tx.pending.add(pending, now)
                    return {}

                result = await run_once(tx.idempotency, idempotent_request, effect)
        if result.replayed:
            await register.throttle.registered_before(client.network, client.site)
        else:
            register.security("registration", reason="awaits_confirmation")
        return result


@dataclass(frozen=True, slots=True)
class ConfirmRegistration:
    """Register the account that the token confirms, and log it in. Raises RegistrationTokenInvalid for a wrong, a used
    and an expired token alike, and if the username or the address was taken meanwhile."""

    open_tx: OpenTx[IdentityTx]
    sessions: SessionMaker
    new_id: NewId
    clock: Clock
    security: SecurityLog

    async def __call__(self, token: str, client: ClientInfo = UNKNOWN_CLIENT) -> LoggedIn:
        with self.security.recording_refusals("registration_confirmed"):
            try:
                result = await self._confirmed(digest_of(token), client)
            except (UsernameTaken, EmailTaken):
                raise _invalid() from None
        owner, session = self.sessions.owner(result.outcome), self.sessions.session(result.outcome)
        self.security("registration_confirmed", user_id=owner, session_id=session)
        return self.sessions.logged_in(result)

    async def _confirmed(self, digest: bytes, client: ClientInfo) -> IdempotentResult:
        async with self.open_tx() as tx:
            pending = await tx.pending.take(digest, self.clock())
            if pending is None:
                raise _invalid()
            account = Account(
                id=UserId(self.new_id()),
                username=pending.username,
                email=pending.email,
                password_hash=pending.password_hash,
                display_name=pending.display_name,
            )
            session = self.sessions.new(account.id, client)
            await tx.accounts.add(account)
            await tx.sessions.add(session)
            await tx.outbox.add(Registered(user_id=account.id))
        return IdempotentResult(self.sessions.outcome(account, session))


def _invalid() -> RegistrationTokenInvalid:
    return RegistrationTokenInvalid("this token does not confirm a registration; register again")
