"""Queries about accounts and sessions, and the authentication of access tokens."""

from typing import Self

from application.identity.ports import IdentityReader, SessionRow
from application.shared.paging import Page, Window, page
from application.shared.ports import Clock, Record
from domain.dataclasses import dataclass
from domain.identity import Account
from domain.identity import username as canonical
from domain.shared import Invalid, UserId, UserNotFound


@dataclass(frozen=True, slots=True)
class Profile:
    """The public part of an account."""

    id: UserId
    username: str
    display_name: str
    bio: str
    posts: int
    private: bool = False

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(
            account.id, account.username, account.display_name, account.bio, account.posts, account.private
        )

    @classmethod
    def from_record(cls, record: Record) -> Self:
        return cls(**record)


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """The user's own account, e-mail address included. Raises UserNotFound."""

    reader: IdentityReader

    async def __call__(self, user_id: UserId) -> Account:
        return await self.reader.account(user_id)


@dataclass(frozen=True, slots=True)
class ReadProfile:
    """The public profile of any account. Raises UserNotFound."""

    reader: IdentityReader

    async def __call__(self, user_id: UserId) -> Profile:
        return Profile.of(await self.reader.account(user_id))

    async def named(self, name: str) -> Profile:
        try:
            name = canonical(name)
        except Invalid:
            raise UserNotFound("no such user") from None
        return Profile.of(await self.reader.account_named(name))


@dataclass(frozen=True, slots=True)
class ListSessions:
    """The user's own active sessions, newest first."""

    reader: IdentityReader
    clock: Clock

    async def __call__(self, user_id: UserId, window: Window) -> Page[SessionRow]:
        rows = await self.reader.sessions_of(user_id, self.clock(), window)
        return page(rows, window, lambda row: row.id, newest_first=True)
