"""Register an account."""

from application.identity.passwords import NewPassword
from application.identity.ports import IdentityTx, Passwords
from application.identity.security import SecurityLog
from application.identity.sessions import UNKNOWN_CLIENT, ClientInfo, LoggedIn, SessionMaker
from application.identity.throttle import Throttle
from application.shared.events import Registered
from application.shared.idempotency import IdempotentResult, run_once
from application.shared.ports import IdempotentRequest, NewId, OpenTx, Record
from domain.dataclasses import dataclass
from domain.identity import Account, AsciiDomain, email, username
from domain.names import display_name as checked_name
from domain.shared import CountGraphemes, FieldErrors, UserId


@dataclass(frozen=True, slots=True)
class Register:
    """Register an account and log it in. Raises Invalid, UsernameTaken, EmailTaken, TooManyAttempts, Overloaded."""

    open_tx: OpenTx[IdentityTx]
    passwords: Passwords
    new_password: NewPassword
    sessions: SessionMaker
    new_id: NewId
    graphemes: CountGraphemes
    ascii_domain: AsciiDomain
    throttle: Throttle
    security: SecurityLog

    async def __call__(
        self,
        name: str,
        address: str,
        secret: str,
        display_name: str,
        idempotent_request: IdempotentRequest | None,
        client: ClientInfo = UNKNOWN_CLIENT,
    ) -> LoggedIn:
        name, address, secret, display_name = self.checked(name, address, secret, display_name)
        with self.security.recording_refusals("registration"):
            result = await self._register(name, address, secret, display_name, idempotent_request, client)
        if result.replayed:
            await self.throttle.registered_before(client.network, client.site)
        else:
            owner, session = self.sessions.owner(result.outcome), self.sessions.session(result.outcome)
            self.security("registration", user_id=owner, session_id=session)
        return self.sessions.logged_in(result)

    def checked(self, name: str, address: str, secret: str, display_name: str) -> tuple[str, str, str, str]:
        """The input in the form that is stored. Raises Invalid with all field errors."""
        with FieldErrors.collected() as field_errors:
            with field_errors:
                name = username(name)
            with field_errors:
                address = email(address, self.ascii_domain)
            with field_errors:
                secret = self.new_password(secret, username=name, email=address)
            with field_errors:
                display_name = checked_name(display_name, self.graphemes)
        return name, address, secret, display_name

    async def _register(
        self,
        name: str,
        address: str,
        secret: str,
        display_name: str,
        idempotent_request: IdempotentRequest | None,
        client: ClientInfo,
    ) -> IdempotentResult:
        await self.throttle.registration(client.network, client.site)
        hashed = await self.passwords.hash(secret)  # before the transaction, because it is slow

        async with self.open_tx() as tx:

            async def effect() -> Record:
                account = Account(
                    id=UserId(self.new_id()),
                    username=name,
                    email=address,
                    password_hash=hashed,
                    display_name=display_name,
                )
                session = self.sessions.new(account.id, client)
                await tx.accounts.add(account)
                await tx.sessions.add(session)
                await tx.outbox.add(Registered(user_id=account.id))
                return self.sessions.outcome(account, session)

            return await run_once(
                tx.idempotency,
                idempotent_request,
                effect,
                owner=self.sessions.owner,
                session=self.sessions.session,
            )
