"""The ports that graph needs from the outside."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

from application.shared.paging import Window
from application.shared.ports import Outbox
from domain.dataclasses import dataclass
from domain.graph import Relationship
from domain.shared import UserId

RelationshipList: TypeAlias = Literal["followers", "following", "requests", "blocks", "mutes"]
"""The lists that each account has: its followers, the accounts it follows, the accounts that request to follow it, the
accounts it blocks, and the accounts it mutes."""


class Relationships(Protocol):
    """The relationships of two accounts, within a transaction."""

    async def lock(self, user: UserId, other: UserId) -> Relationship:
        """The relationship as `user` sees it. Until the transaction ends nobody else can change any relationship of
        either account. Concurrent changes therefore take effect one after the other."""
        ...

    async def save(self, before: Relationship, after: Relationship, new_id: int) -> None:
        """Store the difference, correct the follow counts of both accounts, and raise the version of each account whose
        viewer context changed. New relationships are listed under `new_id`."""
        ...

    async def count(self, relationship_list: RelationshipList, user: UserId) -> int:
        """The length of one of the lists that `user` fills: `following` (follow requests included), `blocks`,
        `mutes`."""
        ...

    async def requesters(self, user: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` accounts that request to follow `user`, oldest request first."""
        ...

    async def related(self, user: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` accounts that have any relationship with `user`, in either direction."""
        ...

    async def remove_counts(self, user: UserId) -> None:
        """Delete the follow counts of an account that has no relationships."""
        ...


@dataclass(frozen=True, slots=True)
class GraphTx:
    relationships: Relationships
    outbox: Outbox


class FollowCounts(NamedTuple):
    followers: int
    following: int


class ViewerRelations(NamedTuple):
    """The stored relationships of a viewer from which the ViewerContext is made."""

    version: int
    follows: frozenset[UserId]
    blocked: frozenset[UserId]
    """The accounts that the viewer blocks, and those that block the viewer."""
    mutes: Mapping[UserId, datetime | None]
    """When each mute ends; None for a mute without an end."""


class ListedUser(NamedTuple):
    """An entry of a relationship list."""

    id: int
    """The id of the relationship. The list is ordered by it."""
    user: UserId


class GraphReader(Protocol):
    """Reads outside of a transaction. Pages hold up to `limit + 1` rows, the newest relationship first."""

    async def version(self, viewer: UserId) -> int: ...

    async def viewer_relations(self, viewer: UserId) -> ViewerRelations:
        """All members are read at the same moment."""
        ...

    async def relationships(
        self, viewer: UserId, others: Collection[UserId]
    ) -> Mapping[UserId, Relationship]:
        """One relationship for each of `others`, also where the accounts have nothing to do with each other. Mutes that
        have ended may be included."""
        ...

    async def counts(self, user: UserId) -> FollowCounts: ...

    async def listed_users(
        self,
        relationship_list: RelationshipList,
        user: UserId,
        window: Window,
        hidden: Collection[UserId],
        now: datetime,
    ) -> Sequence[ListedUser]:
        """The list without the `hidden` accounts, which are filtered before the limit applies. Mutes that have ended
        are left out."""
        ...

    async def followers_after(self, author: UserId, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` followers with an id above `after`, in the order of their ids."""
        ...

    async def popular(self) -> frozenset[UserId]:
        """The accounts that have, or once had, very many followers."""
        ...


class AccountDirectory(Protocol):
    """The questions that graph asks the module that owns accounts."""

    async def is_private(self, user: UserId) -> bool | None:
        """Whether the account is private at this moment; None if the account does not exist."""
        ...

    async def existing(self, users: Collection[UserId]) -> frozenset[UserId]:
        """The accounts of `users` that exist. The result may be some seconds old."""
        ...


class FollowRecount(NamedTuple):
    """The result of counting one batch of users again."""

    last: UserId | None
    """The highest id of the batch; None if there were no more users."""
    drift: Mapping[str, int]
    """By how much each counter was wrong, summed up over the batch."""


class GraphCounters(Protocol):
    async def recount(self, above: UserId, limit: int, *, repair: bool) -> FollowRecount:
        """Count followers and followed accounts again for up to `limit` users with an id above `above`. With `repair`,
        store the correct counts."""
        ...
