"""The needs of graph, met by identity."""

from collections.abc import Collection
from dataclasses import dataclass

from application.identity.queries import ReadAccount
from application.shared.people import Cards
from domain.shared import UserId, UserNotFound


@dataclass(frozen=True, slots=True)
class AccountsOfIdentity:
    """Tells whether an account exists, and whether it is private. Each question goes to the store: an account that has just
    become private must not be followed without a request."""

    read_account: ReadAccount
    cards: Cards

    async def is_private(self, user: UserId) -> bool | None:
        try:
            return (await self.read_account(user)).private
        except UserNotFound:
            return None

    async def existing(self, users: Collection[UserId]) -> frozenset[UserId]:
        return frozenset(await self.cards.cards(users))
