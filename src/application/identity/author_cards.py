"""The names of accounts, as other modules show them."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from application.identity.ports import IdentityReader
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.people import AuthorCard
from domain.shared import EventId, UserId


@dataclass(frozen=True, slots=True)
class AuthorCards:
    """The cards of accounts. Cards are read with every post and seldom change. So they are cached for `ttl` seconds, and
    dropped when the event of a change arrives. The event reaches one process only: with several processes a name can be up
    to `ttl` seconds old."""

    reader: IdentityReader
    monotonic: Callable[[], float]
    ttl: float
    capacity: int = 10_000
    _cards: OrderedDict[UserId, tuple[AuthorCard, float]] = field(default_factory=OrderedDict, compare=False)

    def __len__(self) -> int:
        """The number of cached cards."""
        return len(self._cards)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        now = self.monotonic()
        found: dict[UserId, AuthorCard] = {}
        for user_id in ids:
            cached = self._cards.get(user_id)
            if cached is not None and now < cached[1]:
                found[user_id] = cached[0]
        if len(found) < len(ids):
            missing = [user_id for user_id in ids if user_id not in found]
            for user_id, card in (await self.reader.cards(missing)).items():
                found[user_id] = card
                self._cards[user_id] = card, now + self.ttl
            while len(self._cards) > self.capacity:
                self._cards.popitem(last=False)
        return found

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        """The ids of the accounts with these canonical usernames, as far as they exist. Not cached."""
        return await self.reader.ids_named(usernames)

    async def forget(self, event: ProfileChanged | AccountDeleted, _event_id: EventId) -> None:
        self._cards.pop(UserId(event.user_id), None)
