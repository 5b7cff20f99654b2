"""Edit and delete accounts."""

from collections.abc import Sequence

from application.identity.ports import IdentityTx
from application.identity.security import SecurityLog
from application.identity.sessions import SessionsEnded
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.ports import Clock, OpenTx
from domain.dataclasses import dataclass
from domain.identity import BIO, NAME_REST, Account, ConfirmationNeeded, SessionEnded
from domain.names import display_name as checked_name
from domain.shared import CountGraphemes, FieldErrors, SessionId, Stale, UserId


@dataclass(frozen=True, slots=True)
class EditProfile:
    """Change the profile of the user's own account. None leaves a member as it is. Raises Invalid, UserNotFound, and
    Stale if `version` is given and differs from the stored one."""

    open_tx: OpenTx[IdentityTx]
    graphemes: CountGraphemes

    async def __call__(
        self,
        user_id: UserId,
        display_name: str | None,
        bio: str | None,
        version: int | None,
        *,
        private: bool | None = None,
    ) -> Account:
        with FieldErrors.collected() as field_errors:
            with field_errors:
                display_name = display_name and checked_name(display_name, self.graphemes)
            with field_errors:
                bio = bio and BIO.apply(bio, self.graphemes)
        async with self.open_tx() as tx:
            account = await tx.accounts.get(user_id)
            if version is not None and version != account.version:
                raise Stale("the profile was changed since you read it")
            edited = account.edited(display_name=display_name, bio=bio, private=private)
            if edited is not account:
                await tx.accounts.save(edited)
                await tx.outbox.add(
                    ProfileChanged(
                        user_id=user_id,
                        private=edited.private if edited.private != account.private else None,
                        version=edited.version,
                    )
                )
        return edited


@dataclass(frozen=True, slots=True)
class DeleteAccount:
    """Delete the user's own account with all its content. Raises ConfirmationNeeded unless `confirmed` is its username,
    SessionEnded, RecentLoginRequired, and UserNotFound.

    The account is deleted when this returns. The handlers of AccountDeleted hide its content a moment later, and then
    erase it.
    """

    open_tx: OpenTx[IdentityTx]
    clock: Clock
    security: SecurityLog
    sessions_ended: SessionsEnded

    async def __call__(self, user_id: UserId, session_id: SessionId, confirmed: str | None) -> None:
        async with self.open_tx() as tx:
            account = await tx.accounts.get(user_id)
            if confirmed is None or confirmed.lower() != account.username:
                raise ConfirmationNeeded(_warning(account))
            with self.security.recording_refusals("account_deleted", user_id=user_id, session_id=session_id):
                session, now = await tx.sessions.get(session_id), self.clock()
                if not session.alive(now):  # the authentication of this process may not know it yet
                    raise SessionEnded("this session has ended, log in again")
                session.require_recent(now)
            ended = await self._remove(tx, account)
        self.security("account_deleted", user_id=user_id, session_id=session_id)
        self.sessions_ended(ended)

    async def by_operator(self, user_id: UserId) -> None:
        """Delete an account without a confirmation. Raises UserNotFound."""
        async with self.open_tx() as tx:
            await self._remove(tx, await tx.accounts.get(user_id))
        self.security("account_deleted", reason="operator", user_id=user_id)

    async def _remove(self, tx: IdentityTx, account: Account) -> Sequence[SessionId]:
        ended = await tx.sessions.remove_all(account.id)
        await tx.accounts.remove(account, self.clock() + NAME_REST)
        await tx.idempotency.wipe(account.id)
        await tx.outbox.add(AccountDeleted(user_id=account.id))
        return ended


def _warning(account: Account) -> str:
    return (
        f"this deletes the account @{account.username} for good: its profile, posts, comments, likes and "
        f"sessions. Nobody can register the name for {NAME_REST.days} days. To confirm, repeat the request with "
        f"?confirm={account.username}"
    )
