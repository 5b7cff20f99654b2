"""What graph needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

from application.shared.paging import Window
from application.shared.ports import Outbox
from domain.graph import Ties
from domain.shared import UserId

Relation: TypeAlias = Literal["followers", "following", "requests", "blocks", "mutes"]
"""A list of people around one: who follows, whom one follows, who asks to follow, whom one blocks or mutes."""


class Pairs(Protocol):
    """What two people are to each other, within a transaction."""

    async def lock(self, user: UserId, other: UserId) -> Ties:
        """The ties as `user` sees them. Until the transaction ends nobody else changes any of either of the two: so
        the order in which people's storms arrive is the order in which they count."""
        ...

    async def save(self, before: Ties, after: Ties, new_id: int) -> None:
        """Store what is different, correct both people's counts, and raise the version of the standing of each
        for whom something changed. What is new is listed under `new_id`."""
        ...

    async def count(self, relation: Relation, user: UserId) -> int:
        """How many there are of what `user` does, requests included in `following`."""
        ...

    async def asking(self, user: UserId, limit: int) -> Sequence[UserId]:
        """Some of those who ask to follow, oldest first."""
        ...

    async def tied(self, user: UserId, limit: int) -> Sequence[UserId]:
        """Some of those with whom the user has any ties, theirs or the user's own."""
        ...

    async def forget(self, user: UserId) -> None:
        """Drop the counts of somebody without ties."""
        ...


@dataclass(frozen=True, slots=True)
class GraphTx:
    pairs: Pairs
    outbox: Outbox


class Counts(NamedTuple):
    followers: int
    following: int


class Around(NamedTuple):
    """Whom one sees when one looks around: a Standing as it is stored."""

    version: int
    follows: frozenset[UserId]
    blocked: frozenset[UserId]
    mutes: Mapping[UserId, datetime | None]
    """Until when; None for ever."""


class Listed(NamedTuple):
    """A place in a list of people."""

    id: int
    """Of the tie: orders the list."""
    user: UserId


class GraphReader(Protocol):
    """Reads outside of a transaction. Pages hold up to `limit + 1` rows, the newest tie first."""

    async def version(self, viewer: UserId) -> int: ...

    async def around(self, viewer: UserId) -> Around:
        """As of one moment."""
        ...

    async def ties(self, viewer: UserId, others: Collection[UserId]) -> Mapping[UserId, Ties]:
        """To each of the others, also where there are none. Ended mutes may be among them."""
        ...

    async def counts(self, user: UserId) -> Counts: ...

    async def people(
        self, relation: Relation, user: UserId, window: Window, hidden: Collection[UserId], now: datetime
    ) -> Sequence[Listed]:
        """Those of the list who are not `hidden`, filtered before the limit; mutes that have ended are not there."""
        ...

    async def followers_after(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` followers with an id above `after`, by id."""
        ...

    async def popular(self) -> frozenset[UserId]:
        """Who has, or once had, very many followers."""
        ...


class Accounts(Protocol):
    """What graph asks the module that knows people."""

    async def is_private(self, user: UserId) -> bool | None:
        """As of now; None if there is no such account."""
        ...

    async def existing(self, users: Collection[UserId]) -> frozenset[UserId]:
        """Those that there are; may be some seconds old."""
        ...


class Recounted(NamedTuple):
    """What counting anew has found in one batch of users."""

    last: UserId | None
    drift: Mapping[str, int]


class GraphCounters(Protocol):
    async def recount(self, above: UserId, limit: int, *, mend: bool) -> Recounted:
        """Count followers and following anew for up to `limit` users with an id above `above`, and with `mend` set
        the counts right."""
        ...
