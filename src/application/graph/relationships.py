"""Follow, block and mute. Every change is idempotent: to follow an account twice, or to end a block that does not exist,
changes nothing and raises nothing."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import ClassVar, Protocol, TypeAlias

from application.graph.ports import AccountDirectory, GraphTx, RelationshipList
from application.shared.events import (
    Blocked,
    Event,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Unblocked,
    Unfollowed,
)
from application.shared.ports import Clock, NewId, OpenTx
from domain.dataclasses import dataclass
from domain.graph import (
    MAX_BLOCKS,
    MAX_FOLLOWING,
    MAX_MUTE,
    MAX_MUTES,
    MIN_MUTE,
    Relationship,
    TooManyBlocks,
    TooManyFollows,
    TooManyMutes,
)
from domain.shared import Conflict, FieldError, Invalid, UserId, UserNotFound

Change: TypeAlias = Callable[[Relationship], Relationship]


class ForgetViewerContexts(Protocol):
    """Drops the cached viewer contexts of these users, because they are out of date."""

    def __call__(self, *users: UserId) -> None: ...


@dataclass(frozen=True, slots=True)
class ChangeRelationship:
    """Change the relationship of two accounts, in one transaction with its events. Raises SelfRelationship, and
    whatever the change raises."""

    open_tx: OpenTx[GraphTx]
    new_id: NewId
    forget: ForgetViewerContexts

    async def __call__(self, user: UserId, other: UserId, change: Change) -> Relationship:
        Relationship(user=user, other=other)  # raises SelfRelationship
        try:
            async with self.open_tx() as tx:
                return await apply_change(tx, user, other, change, self.new_id())
        finally:  # also after a failure: a commit that was cut off may have taken effect
            self.forget(user, other)


async def apply_change(tx: GraphTx, user: UserId, other: UserId, change: Change, new_id: int) -> Relationship:
    """Lock the relationship, change it, store it with its events, and return the new one."""
    before = await tx.relationships.lock(user, other)
    after = change(before)
    if after == before:
        return before
    await tx.relationships.save(before, after, new_id)
    await _check_limits(tx, before, after)
    for event in events_of(before, after):
        await tx.outbox.add(event)
    return after


async def _check_limits(tx: GraphTx, before: Relationship, after: Relationship) -> None:
    """Raise if `user` now follows, blocks or mutes too many accounts. The lock is held, so that of two concurrent
    changes only one can take the last place below a limit."""
    follows_before = before.following or before.requested
    follows_after = after.following or after.requested
    limits: tuple[tuple[bool, RelationshipList, int, type[Conflict], str], ...] = (
        (follows_after and not follows_before, "following", MAX_FOLLOWING, TooManyFollows, "follows"),
        (after.blocking and not before.blocking, "blocks", MAX_BLOCKS, TooManyBlocks, "blocks"),
        (after.muting and not before.muting, "mutes", MAX_MUTES, TooManyMutes, "mutes"),
    )
    for is_new, relationship_list, limit, error, verb in limits:
        if is_new and await tx.relationships.count(relationship_list, after.user) > limit:
            raise error(f"a user {verb} at most {limit:,} others")


def events_of(before: Relationship, after: Relationship) -> Iterator[Event]:
    """The events of a change. A mute has none: it is private to the account that mutes."""
    for user, other, was, now, requested_before, requested_now in (
        (after.user, after.other, before.following, after.following, before.requested, after.requested),
        (
            after.other,
            after.user,
            before.followed_by,
            after.followed_by,
            before.requested_by,
            after.requested_by,
        ),
    ):
        if requested_now and not requested_before:
            yield FollowRequested(user_id=user, other_id=other)
        if requested_before and not requested_now and not now:
            yield FollowRequestEnded(user_id=user, other_id=other)
        if now and not was:
            yield Followed(user_id=user, other_id=other, accepted=requested_before)
        if was and not now:
            yield Unfollowed(user_id=user, other_id=other)
    if after.blocking != before.blocking:
        pair = {"user_id": after.user, "other_id": after.other}
        yield Blocked(**pair) if after.blocking else Unblocked(**pair)


@dataclass(frozen=True, slots=True)
class Follow:
    """Follow an account, or request to follow it if it is private. Raises UserNotFound, SelfRelationship,
    BlockedByOther, BlocksOther, TooManyFollows."""

    change_relationship: ChangeRelationship
    accounts: AccountDirectory
    clock: Clock

    async def __call__(self, user: UserId, other: UserId) -> Relationship:
        private = await self.accounts.is_private(other)
        if private is None:
            raise UserNotFound("no such user")
        relationship = await self.change_relationship(
            user, other, lambda relationship: relationship.followed(private=private)
        )
        if relationship.requested and await self.accounts.is_private(other) is False:
            # The account became public meanwhile. AcceptFollowRequests may have run before this request was stored.
            relationship = await self.change_relationship(user, other, _follow_if_requested)
        return relationship.as_of(self.clock())


def _follow_if_requested(relationship: Relationship) -> Relationship:
    return relationship.followed(private=False) if relationship.requested else relationship


@dataclass(frozen=True, slots=True)
class Mute:
    """Mute an account, for a `duration` or without an end. Raises UserNotFound, SelfRelationship, TooManyMutes, and
    Invalid for a duration shorter than a minute or longer than a year."""

    change_relationship: ChangeRelationship
    accounts: AccountDirectory
    clock: Clock

    async def __call__(self, user: UserId, other: UserId, duration: timedelta | None) -> Relationship:
        if duration is not None and not MIN_MUTE <= duration <= MAX_MUTE:
            raise Invalid(FieldError("?duration", "duration_range", "a mute lasts from a minute to a year"))
        if await self.accounts.is_private(other) is None:
            raise UserNotFound("no such user")
        until = None if duration is None else self.clock() + duration
        return await self.change_relationship(user, other, lambda relationship: relationship.muted(until))


@dataclass(frozen=True, slots=True)
class UpdateRelationship:
    """Make one change that depends only on the relationship itself. Each change is a class of its own below, so that
    types tell them apart. Raises UserNotFound, SelfRelationship, TooManyBlocks, and whatever the change raises."""

    change: ClassVar[Change]
    change_relationship: ChangeRelationship
    accounts: AccountDirectory
    clock: Clock

    async def __call__(self, user: UserId, other: UserId) -> Relationship:
        if await self.accounts.is_private(other) is None:
            raise UserNotFound("no such user")
        return (await self.change_relationship(user, other, type(self).change)).as_of(self.clock())


class Unfollow(UpdateRelationship):
    __slots__ = ()
    change = Relationship.unfollowed


class Block(UpdateRelationship):
    __slots__ = ()
    change = Relationship.blocked


class Unblock(UpdateRelationship):
    __slots__ = ()
    change = Relationship.unblocked


class Unmute(UpdateRelationship):
    __slots__ = ()
    change = Relationship.unmuted


class RemoveFollower(UpdateRelationship):
    __slots__ = ()
    change = Relationship.without_follower


class AcceptRequest(UpdateRelationship):
    __slots__ = ()
    change = Relationship.accepted


class RejectRequest(UpdateRelationship):
    __slots__ = ()
    change = Relationship.rejected
