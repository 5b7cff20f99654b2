"""What trending needs from the stores: the votes, a copy of facts that other modules told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from application.feeds.trending_formula import EngagementSignal, HashtagSignal
from domain.shared import PostId, UserId

LIKED, REPOSTED = 1, 2
"""The sources of votes that are no comments. No comment has such an id."""


class Signals(Protocol):
    """The votes, within a transaction. All of it is harmless to repeat."""

    async def add(self, signal: EngagementSignal) -> None:
        """No effect if that vote is there."""
        ...

    async def remove(self, post: PostId, user: UserId, source: int) -> None: ...

    async def set_tags(self, post: PostId, signals: Sequence[HashtagSignal]) -> None:
        """Let these be all the hashtags of the post; each tag once."""
        ...

    async def delete_for_post(self, post: PostId, limit: int) -> int:
        """Delete up to `limit` of the votes for a post and for its hashtags; how many it were."""
        ...

    async def delete_by_user(self, user: UserId, limit: int) -> int:
        """Delete up to `limit` of what the user voted for; how many it were."""
        ...


@dataclass(frozen=True, slots=True)
class SignalsTx:
    signals: Signals


class SignalsReader(Protocol):
    """Reads outside of a transaction, newest first; of the same time in an order that does not change."""

    async def signals(
        self, since: int, before: EngagementSignal | None, limit: int
    ) -> Sequence[EngagementSignal]:
        """Up to `limit` of those at `since` (milliseconds since 1970) or later that come after `before`."""
        ...

    async def hashtag_signals(
        self, since: int, before: HashtagSignal | None, limit: int
    ) -> Sequence[HashtagSignal]: ...


class AccountVisibility(Protocol):
    """What trending asks the module that has posts."""

    async def closed(self, users: Collection[UserId]) -> frozenset[UserId]:
        """Those of the users, at most some thousand, who are private or gone: not everybody may see what they wrote."""
        ...
