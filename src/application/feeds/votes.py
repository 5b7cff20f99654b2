"""What trending needs from the stores: the votes, a copy of facts that other modules told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from application.feeds.ranking import TagVote, Vote
from domain.shared import PostId, UserId

LIKED, REPOSTED = 1, 2
"""The sources of votes that are no comments. No comment has such an id."""


class Votes(Protocol):
    """The votes, within a transaction. All of it is harmless to repeat."""

    async def add(self, vote: Vote) -> None:
        """No effect if that vote is there."""
        ...

    async def take_back(self, post: PostId, user: UserId, source: int) -> None: ...

    async def set_tags(self, post: PostId, votes: Sequence[TagVote]) -> None:
        """Let these be all the hashtags of the post; each tag once."""
        ...

    async def forget_post(self, post: PostId, limit: int) -> int:
        """Delete up to `limit` of the votes for a post and for its hashtags; how many it were."""
        ...

    async def forget_user(self, user: UserId, limit: int) -> int:
        """Delete up to `limit` of what the user voted for; how many it were."""
        ...


@dataclass(frozen=True, slots=True)
class VotesTx:
    votes: Votes


class VotesReader(Protocol):
    """Reads outside of a transaction, newest first; of the same time in an order that does not change."""

    async def votes(self, since: int, before: Vote | None, limit: int) -> Sequence[Vote]:
        """Up to `limit` of those at `since` (milliseconds since 1970) or later that come after `before`."""
        ...

    async def tag_votes(self, since: int, before: TagVote | None, limit: int) -> Sequence[TagVote]: ...


class Accounts(Protocol):
    """What trending asks the module that has posts."""

    async def closed(self, users: Collection[UserId]) -> frozenset[UserId]:
        """Those of the users, at most some thousand, who are private or gone: not everybody may see what they wrote."""
        ...
