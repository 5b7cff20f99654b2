"""The views of accounts that modules share."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from domain.dataclasses import dataclass
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class AuthorCard:
    """The name of an account as it is shown beside a post, a notification or a search result."""

    id: UserId
    username: str
    display_name: str


class Cards(Protocol):
    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        """The cards of the accounts that exist. They may be some seconds old."""
        ...


class RelationshipView(Protocol):
    """The relationship of the viewer to another account."""

    @property
    def other(self) -> UserId: ...
    @property
    def following(self) -> bool: ...
    @property
    def requested(self) -> bool: ...
    @property
    def followed_by(self) -> bool: ...
    @property
    def requested_by(self) -> bool: ...
    @property
    def blocking(self) -> bool: ...
    @property
    def blocked_by(self) -> bool: ...
    @property
    def muting(self) -> bool: ...
    @property
    def muted_until(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class FollowSummary:
    """The follow counts of an account, and the relationship of the viewer to it."""

    followers: int = 0
    following: int = 0
    relationship: RelationshipView | None = None
    """None for an anonymous viewer, and for the viewer's own account."""


class FollowSummaries(Protocol):
    async def of(self, viewer: UserId | None, user: UserId) -> FollowSummary: ...
