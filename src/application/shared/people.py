"""What modules tell each other of people."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class AuthorCard:
    """What is shown of a person beside what they did."""

    id: UserId
    username: str
    display_name: str


class Cards(Protocol):
    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        """The cards of those that exist; may be some seconds old."""
        ...


class Relationship(Protocol):
    """What the one who asks and another are to each other."""

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
class Circle:
    """The people around somebody: how many, and how the one who asks stands to them."""

    followers: int = 0
    following: int = 0
    relationship: Relationship | None = None
    """None for a stranger, and to oneself."""


class Circles(Protocol):
    async def around(self, viewer: UserId | None, user: UserId) -> Circle: ...
