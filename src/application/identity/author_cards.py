"""The names of accounts, as other modules show them."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from typing import Final

from application.identity.ports import IdentityReader
from application.shared.events import AccountDeleted, ProfileChanged
from application.shared.people import AuthorCard
from application.shared.readings import Key, Readings, also_of, rows_of
from domain.dataclasses import dataclass
from domain.shared import EventId, UserId

CARD: Final = "card"
"""The kind of the keys of cards, with the id of the account."""


@dataclass(frozen=True, slots=True)
class AuthorCards:
    """The cards of accounts. Cards are read with every post and seldom change. So they are cached for `ttl` seconds, and
    dropped when the event of a change arrives. The event reaches one process only: with several processes a name can be up
    to `ttl` seconds old. Where the store reports its changes to `readings`, a card is dropped with the change itself."""

    reader: IdentityReader
    monotonic: Callable[[], float]
    ttl: float
    readings: Readings
    capacity: int = 10_000
    _cards: OrderedDict[UserId, tuple[AuthorCard, float]] = field(default_factory=OrderedDict, compare=False)

    def __len__(self) -> int:
        """The number of cached cards."""
        return len(self._cards)

    def __post_init__(self) -> None:
        self.readings.listen(CARD, self._touched, self._cards.clear)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        now = self.monotonic()
        also_of((CARD, user_id) for user_id in ids)
        found: dict[UserId, AuthorCard] = {}
        for user_id in ids:
            cached = self._cards.get(user_id)
            if cached is not None and now < cached[1]:
                found[user_id] = cached[0]
        if len(found) < len(ids):
            missing = [user_id for user_id in ids if user_id not in found]
            with rows_of(()), self.readings.following() as reading:
                cards = await self.reader.cards(missing)
            found.update(cards)
            for user_id, card in cards.items():
                if self.readings.unchanged(reading, (CARD, user_id)):
                    self._cards[user_id] = card, now + self.ttl
            while len(self._cards) > self.capacity:
                self._cards.popitem(last=False)
        return found

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        """The ids of the accounts with these canonical usernames, as far as they exist. Not cached."""
        return await self.reader.ids_named(usernames)

    async def forget(self, event: ProfileChanged | AccountDeleted, _event_id: EventId) -> None:
        self._cards.pop(UserId(event.user_id), None)

    def _touched(self, key: Key) -> None:
        _kind, user_id = key
        self._cards.pop(UserId(int(user_id)), None)
