"""Who follows, blocks and mutes whom: what two people are to each other."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.shared import Conflict, Forbidden, NotFound, UserId

MAX_FOLLOWING = 5_000
"""How many a person follows or has asked to follow."""
MAX_BLOCKS = 5_000
MAX_MUTES = 5_000
MIN_MUTE, MAX_MUTE = timedelta(minutes=1), timedelta(days=365)
POPULAR = 10_000
"""From so many followers on, what an author posts is not copied to each of them."""


class NoSuchUser(NotFound):
    """There is no such user."""

    code = "user_not_found"


class NoSuchRequest(NotFound):
    """Nobody of that id asks to follow."""

    code = "follow_request_not_found"


class OneselfOnly(Conflict):
    """Nobody follows, blocks or mutes themselves."""

    code = "not_oneself"


class BlockedByThem(Forbidden):
    """Whoever blocks somebody is not followed by them."""

    code = "blocked"


class BlocksThem(Conflict):
    """Whom one blocks one does not follow: the block has to end first."""

    code = "blocking"


class AccountPrivate(Forbidden):
    """Whom a private account follows, and who follows it, only its followers see."""

    code = "account_private"


class TooManyFollows(Conflict):
    """A user follows, or asks to follow, at most 5,000."""

    code = "too_many_follows"


class TooManyBlocks(Conflict):
    """A user blocks at most 5,000."""

    code = "too_many_blocks"


class TooManyMutes(Conflict):
    """A user mutes at most 5,000."""

    code = "too_many_mutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """What two people are to each other, seen from one of them. A method gives the ties as they are after what
    `user` does, and themselves where that changes nothing."""

    user: UserId
    other: UserId
    following: bool = False
    requested: bool = False
    """`user` has asked to follow, and was not answered."""
    followed_by: bool = False
    requested_by: bool = False
    blocking: bool = False
    blocked_by: bool = False
    muting: bool = False
    muted_until: datetime | None = None
    """None for a mute without an end."""

    def __post_init__(self) -> None:
        if self.user == self.other:
            raise OneselfOnly("this cannot be done to oneself")

    def as_of(self, now: datetime) -> "Ties":
        """Without a mute that has ended."""
        if self.muted_until is None or self.muted_until > now:
            return self
        return replace(self, muting=False, muted_until=None)

    def followed(self, *, private: bool) -> "Ties":
        """`user` follows, or asks to if the other account is private. Raises BlockedByThem, BlocksThem."""
        if self.blocked_by:
            raise BlockedByThem("you are blocked by this user")
        if self.blocking:
            raise BlocksThem("you block this user")
        if self.following or (self.requested and private):
            return self
        return replace(self, requested=private, following=not private)

    def unfollowed(self) -> "Ties":
        """`user` neither follows nor asks to any more."""
        return replace(self, following=False, requested=False)

    def without_follower(self) -> "Ties":
        """The other neither follows `user` nor asks to any more."""
        return replace(self, followed_by=False, requested_by=False)

    def accepted(self) -> "Ties":
        """The other, who asked to follow, does. Raises NoSuchRequest, unless they follow already."""
        if not (self.requested_by or self.followed_by):
            raise NoSuchRequest("this user does not ask to follow you")
        return replace(self, followed_by=True, requested_by=False)

    def rejected(self) -> "Ties":
        """The other does not ask to follow any more."""
        return replace(self, requested_by=False)

    def blocked(self) -> "Ties":
        """`user` blocks the other: neither follows the other any more, nor asks to."""
        return replace(self.unfollowed().without_follower(), blocking=True)

    def unblocked(self) -> "Ties":
        return replace(self, blocking=False)

    def muted(self, until: datetime | None) -> "Ties":
        return replace(self, muting=True, muted_until=until)

    def unmuted(self) -> "Ties":
        return replace(self, muting=False, muted_until=None)


@dataclass(frozen=True, slots=True)
class CountChange:
    """What a change of ties does to the row of one of the two."""

    user: UserId
    followers: int
    following: int
    changed: bool
    """Whether the standing of this user is another one now."""


def count_changes(before: Ties, after: Ties) -> tuple[CountChange, CountChange]:
    """Of both people, the smaller id first, which is the order in which their rows are locked."""
    forth, back = after.following - before.following, after.followed_by - before.followed_by
    blocks = (before.blocking, before.blocked_by) != (after.blocking, after.blocked_by)
    mutes = (before.muting, before.muted_until) != (after.muting, after.muted_until)
    mine = CountChange(after.user, back, forth, changed=bool(forth) or blocks or mutes)
    theirs = CountChange(after.other, forth, back, changed=bool(back) or blocks)
    return (mine, theirs) if mine.user < theirs.user else (theirs, mine)
