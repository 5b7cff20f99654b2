"""What people do with accounts."""

from dataclasses import dataclass

from application.identity.ports import IdentityTx, Passwords
from application.identity.sessions import LoggedIn, SessionMaker
from application.shared.events import ProfileChanged, Registered
from application.shared.idempotency import once
from application.shared.ports import Attempt, NewId, OpenTx, Record
from domain.identity import BIO, DISPLAY_NAME, Account, email, password, username
from domain.shared import CountGraphemes, Faults, Stale, UserId


@dataclass(frozen=True, slots=True)
class Register:
    """Open an account and log it in. Raises Invalid, UsernameTaken, EmailTaken, Overloaded."""

    open_tx: OpenTx[IdentityTx]
    passwords: Passwords
    sessions: SessionMaker
    new_id: NewId
    graphemes: CountGraphemes

    async def __call__(
        self, name: str, address: str, secret: str, display_name: str, attempt: Attempt | None
    ) -> LoggedIn:
        with Faults.collected() as faults:
            with faults:
                name = username(name)
            with faults:
                address = email(address)
            with faults:
                secret = password(secret, username=name, email=address)
            with faults:
                display_name = DISPLAY_NAME.apply(display_name, self.graphemes)
        hashed = await self.passwords.hash(secret)  # before the transaction: it takes long

        async with self.open_tx() as tx:

            async def effect() -> Record:
                account = Account(
                    id=UserId(self.new_id()),
                    username=name,
                    email=address,
                    password_hash=hashed,
                    display_name=display_name,
                )
                session = self.sessions.new(account.id)
                await tx.accounts.add(account)
                await tx.sessions.add(session)
                await tx.outbox.add(Registered(user_id=account.id))
                return self.sessions.outcome(account, session)

            result = await once(tx.idempotency, attempt, effect)
        return self.sessions.logged_in(result)


@dataclass(frozen=True, slots=True)
class EditProfile:
    """Change one's profile; None leaves a member as it is. Raises Invalid, and Stale if `version`
    is given and is not the stored one."""

    open_tx: OpenTx[IdentityTx]
    graphemes: CountGraphemes

    async def __call__(
        self, user_id: UserId, display_name: str | None, bio: str | None, version: int | None
    ) -> Account:
        with Faults.collected() as faults:
            with faults:
                display_name = display_name and DISPLAY_NAME.apply(display_name, self.graphemes)
            with faults:
                bio = bio and BIO.apply(bio, self.graphemes)
        async with self.open_tx() as tx:
            account = await tx.accounts.get(user_id)
            if version is not None and version != account.version:
                raise Stale("the profile was changed since you read it")
            edited = account.edited(display_name=display_name, bio=bio)
            if edited is not account:
                await tx.accounts.save(edited)
                await tx.outbox.add(ProfileChanged(user_id=user_id))
        return edited
