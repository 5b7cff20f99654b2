"""What people do with their own accounts."""

from dataclasses import dataclass

from application.identity.ports import IdentityTx
from application.shared.events import ProfileChanged
from application.shared.ports import OpenTx
from domain.identity import BIO, Account
from domain.names import display_name as checked_name
from domain.shared import CountGraphemes, Faults, Stale, UserId


@dataclass(frozen=True, slots=True)
class EditProfile:
    """Change one's profile; None leaves a member as it is. Raises Invalid, and Stale if `version`
    is given and is not the stored one."""

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
        with Faults.collected() as faults:
            with faults:
                display_name = display_name and checked_name(display_name, self.graphemes)
            with faults:
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
