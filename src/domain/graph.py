"""The relationship of two accounts: follow, follow request, block and mute."""

from dataclasses import replace
from datetime import datetime, timedelta

from domain.dataclasses import dataclass
from domain.shared import Conflict, Forbidden, NotFound, UserId

MAX_FOLLOWING = 5_000
"""Follows and follow requests of one account together."""
MAX_BLOCKS = 5_000
MAX_MUTES = 5_000
MIN_MUTE, MAX_MUTE = timedelta(minutes=1), timedelta(days=365)
POPULAR = 10_000
"""From this number of followers on, the posts of an author are not copied to each follower."""


class FollowRequestNotFound(NotFound):
    """This user has not requested to follow you."""

    code = "follow_request_not_found"


class SelfRelationship(Conflict):
    """You cannot follow, block or mute yourself."""

    code = "not_oneself"


class BlockedByOther(Forbidden):
    """You cannot follow an account that blocks you."""

    code = "blocked"


class BlocksOther(Conflict):
    """You cannot follow an account you block: end the block first."""

    code = "blocking"


class AccountPrivate(Forbidden):
    """Only the followers of a private account can see whom it follows and who follows it."""

    code = "account_private"


class TooManyFollows(Conflict):
    """A user follows, or requests to follow, at most 5,000 accounts."""

    code = "too_many_follows"


class TooManyBlocks(Conflict):
    """A user blocks at most 5,000 accounts."""

    code = "too_many_blocks"


class TooManyMutes(Conflict):
    """A user mutes at most 5,000 accounts."""

    code = "too_many_mutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """The relationship of two accounts, as `user` sees it. Each method returns the relationship after an action of
    `user`, which equals the old one if the action changes nothing. Raises SelfRelationship for one and the same
    account."""

    user: UserId
    other: UserId
    following: bool = False
    requested: bool = False
    """`user` has requested to follow, and the request is open."""
    followed_by: bool = False
    requested_by: bool = False
    blocking: bool = False
    blocked_by: bool = False
    muting: bool = False
    muted_until: datetime | None = None
    """None for a mute without an end."""

    def __post_init__(self) -> None:
        if self.user == self.other:
            raise SelfRelationship("you cannot do this to yourself")

    def as_of(self, now: datetime) -> "Relationship":
        """Without a mute that has ended by `now`."""
        if self.muted_until is None or self.muted_until > now:
            return self
        return replace(self, muting=False, muted_until=None)

    def followed(self, *, private: bool) -> "Relationship":
        """`user` follows, or requests to follow if the other account is private. Raises BlockedByOther,
        BlocksOther."""
        if self.blocked_by:
            raise BlockedByOther("you are blocked by this user")
        if self.blocking:
            raise BlocksOther("you block this user")
        if self.following or (self.requested and private):
            return self
        return replace(self, requested=private, following=not private)

    def unfollowed(self) -> "Relationship":
        """`user` no longer follows, and no longer requests to."""
        return replace(self, following=False, requested=False)

    def without_follower(self) -> "Relationship":
        """The other account no longer follows `user`, and no longer requests to."""
        return replace(self, followed_by=False, requested_by=False)

    def accepted(self) -> "Relationship":
        """`user` accepts the follow request of the other account. Raises FollowRequestNotFound, unless the other account
        follows already."""
        if not (self.requested_by or self.followed_by):
            raise FollowRequestNotFound("this user has not requested to follow you")
        return replace(self, followed_by=True, requested_by=False)

    def rejected(self) -> "Relationship":
        """`user` rejects the follow request of the other account."""
        return replace(self, requested_by=False)

    def blocked(self) -> "Relationship":
        """`user` blocks the other account. All follows and follow requests between the two end."""
        return replace(self.unfollowed().without_follower(), blocking=True)

    def unblocked(self) -> "Relationship":
        return replace(self, blocking=False)

    def muted(self, until: datetime | None) -> "Relationship":
        return replace(self, muting=True, muted_until=until)

    def unmuted(self) -> "Relationship":
        return replace(self, muting=False, muted_until=None)


@dataclass(frozen=True, slots=True)
class CountChange:
    """The effect of a changed relationship on the stored counts of one of the two accounts."""

    user: UserId
    followers: int
    following: int
    changed: bool
    """Whether the viewer context of this account changed."""


def count_changes(before: Relationship, after: Relationship) -> tuple[CountChange, CountChange]:
    """One for each account, in the order in which the rows are locked: the smaller id first."""
    forth, back = after.following - before.following, after.followed_by - before.followed_by
    blocks = (before.blocking, before.blocked_by) != (after.blocking, after.blocked_by)
    mutes = (before.muting, before.muted_until) != (after.muting, after.muted_until)
    of_user = CountChange(after.user, back, forth, changed=bool(forth) or blocks or mutes)
    of_other = CountChange(after.other, forth, back, changed=bool(back) or blocks)
    return (of_user, of_other) if of_user.user < of_other.user else (of_other, of_user)
