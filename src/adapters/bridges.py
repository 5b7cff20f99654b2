"""One module's question, answered by another."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from application.identity.ports import Authored, IdentityReader
from application.posts.ports import AuthorCard
from application.shared.events import AccountDeleted, PostDeleted, ProfileChanged, Published
from domain.shared import EventId, UserId


@dataclass(frozen=True, slots=True)
class PeopleOfIdentity:
    """posts asks identity who somebody is. Cards are asked for with every post that is read, and seldom
    change, so they are kept for `ttl` seconds, and dropped when the fact of a change arrives. That fact
    reaches one process only: where there are several, `ttl` is how old a name can be."""

    reader: IdentityReader
    monotonic: Callable[[], float]
    ttl: float
    capacity: int = 10_000
    _cards: OrderedDict[UserId, tuple[AuthorCard, float]] = field(default_factory=OrderedDict, compare=False)

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        now = self.monotonic()
        found: dict[UserId, AuthorCard] = {}
        for user_id in ids:
            kept = self._cards.get(user_id)
            if kept is not None and now < kept[1]:
                found[user_id] = kept[0]
        if len(found) < len(ids):
            missing = [user_id for user_id in ids if user_id not in found]
            for user_id, card in (await self.reader.cards(missing)).items():
                found[user_id] = AuthorCard(user_id, card.username, card.display_name)
                self._cards[user_id] = found[user_id], now + self.ttl
            while len(self._cards) > self.capacity:
                self._cards.popitem(last=False)
        return found

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        return await self.reader.ids_named(usernames)

    async def forget(self, event: ProfileChanged | AccountDeleted, _event_id: EventId) -> None:
        self._cards.pop(UserId(event.user_id), None)


class AuthoredPosts(Protocol):
    async def authored(
        self, authors: Collection[UserId]
    ) -> tuple[Mapping[UserId, int], Sequence[tuple[EventId, Published | PostDeleted]]]:
        """How many posts each has that everybody may see, comments aside, and the facts about posts that are
        not delivered yet, dead letters included: both as of one moment."""
        ...


@dataclass(frozen=True, slots=True)
class AuthorshipOfPosts:
    """identity asks posts who wrote how many."""

    posts: AuthoredPosts

    async def of(self, authors: Collection[UserId]) -> Authored:
        return Authored(*await self.posts.authored(authors))
