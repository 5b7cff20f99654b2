"""Ports for the engagement signals of trending, a read model that is fed by the events of other modules."""

from collections.abc import Collection, Sequence
from typing import Protocol

from application.feeds.trending_formula import EngagementSignal, HashtagSignal
from domain.dataclasses import dataclass
from domain.shared import PostId, UserId

LIKED, REPOSTED = 1, 2
"""The `source` of likes and of reposts. No comment has such an id."""


class Signals(Protocol):
    """Changes signals within a transaction. Every method is idempotent."""

    async def add(self, signal: EngagementSignal) -> None:
        """Has no effect if the signal exists."""
        ...

    async def remove(self, post: PostId, user: UserId, source: int) -> None: ...

    async def set_tags(self, post: PostId, signals: Sequence[HashtagSignal]) -> None:
        """Replace all hashtags of the post. Each tag may be given once."""
        ...

    async def delete_for_post(self, post: PostId, limit: int) -> int:
        """Delete up to `limit` signals of a post and of its hashtags. Returns how many were deleted."""
        ...

    async def delete_by_user(self, user: UserId, limit: int) -> int:
        """Delete up to `limit` signals by the user. Returns how many were deleted."""
        ...


@dataclass(frozen=True, slots=True)
class SignalsTx:
    signals: Signals


class SignalsReader(Protocol):
    """Reads outside of a transaction, newest first. Signals of the same time have a stable order."""

    async def signals(
        self, since: int, before: EngagementSignal | None, limit: int
    ) -> Sequence[EngagementSignal]:
        """Up to `limit` signals at `since` (milliseconds since 1970) or later that follow `before` in that order."""
        ...

    async def hashtag_signals(
        self, since: int, before: HashtagSignal | None, limit: int
    ) -> Sequence[HashtagSignal]: ...


class AccountVisibility(Protocol):
    """The question that trending asks the module that stores posts."""

    async def restricted(self, users: Collection[UserId]) -> frozenset[UserId]:
        """Those of the users, at most a few thousand, who are private or deleted, so that not everybody may see their
        posts."""
        ...
