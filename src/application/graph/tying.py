"""Following, blocking and muting. To tie what is tied and to end what is not there is harmless."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from application.graph.ports import Accounts, GraphTx, Relation
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
from domain.graph import (
    MAX_BLOCKS,
    MAX_FOLLOWING,
    MAX_MUTE,
    MAX_MUTES,
    MIN_MUTE,
    NoSuchUser,
    Ties,
    TooManyBlocks,
    TooManyFollows,
    TooManyMutes,
)
from domain.shared import Conflict, FieldError, Invalid, UserId


class Forget(Protocol):
    """Tells what is kept of these users' standing that it is out of date."""

    def __call__(self, *users: UserId) -> None: ...


@dataclass(frozen=True, slots=True)
class Tie:
    """Changes what two people are to each other, in one transaction with the facts of it."""

    open_tx: OpenTx[GraphTx]
    new_id: NewId
    forget: Forget

    async def __call__(self, user: UserId, other: UserId, change: Callable[[Ties], Ties]) -> Ties:
        Ties(user=user, other=other)  # raises OneselfOnly
        try:
            async with self.open_tx() as tx:
                return await tied(tx, user, other, change, self.new_id())
        finally:  # whoever is cut off at the commit does not know whether there was one
            self.forget(user, other)


async def tied(tx: GraphTx, user: UserId, other: UserId, change: Callable[[Ties], Ties], new_id: int) -> Ties:
    before = await tx.pairs.lock(user, other)
    after = change(before)
    if after == before:
        return before
    await tx.pairs.save(before, after, new_id)
    await _check(tx, before, after)
    for event in facts(before, after):
        await tx.outbox.add(event)
    return after


async def _check(tx: GraphTx, before: Ties, after: Ties) -> None:
    """Raises when `user` has too many of what is new. Looked for with the lock held, so two that come at once
    cannot both stay below a limit."""
    ties_before = before.following or before.requested
    limits: tuple[tuple[bool, Relation, int, type[Conflict], str], ...] = (
        (
            (after.following or after.requested) and not ties_before,
            "following",
            MAX_FOLLOWING,
            TooManyFollows,
            "follows",
        ),
        (after.blocking and not before.blocking, "blocks", MAX_BLOCKS, TooManyBlocks, "blocks"),
        (after.muting and not before.muting, "mutes", MAX_MUTES, TooManyMutes, "mutes"),
    )
    for new, relation, limit, error, verb in limits:
        if new and await tx.pairs.count(relation, after.user) > limit:
            raise error(f"a user {verb} at most {limit:,} others")


def facts(before: Ties, after: Ties) -> Iterator[Event]:
    """What others are told. Of a mute nobody hears."""
    for user, other, was, now, asked, asks in (
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
        if asks and not asked:
            yield FollowRequested(user_id=user, other_id=other)
        if asked and not asks and not now:
            yield FollowRequestEnded(user_id=user, other_id=other)
        if now and not was:
            yield Followed(user_id=user, other_id=other, accepted=asked)
        if was and not now:
            yield Unfollowed(user_id=user, other_id=other)
    if after.blocking != before.blocking:
        pair = {"user_id": after.user, "other_id": after.other}
        yield Blocked(**pair) if after.blocking else Unblocked(**pair)


@dataclass(frozen=True, slots=True)
class Follow:
    """Follow somebody, or ask to if their account is private. Raises NoSuchUser, OneselfOnly, BlockedByThem,
    BlocksThem, TooManyFollows."""

    tie: Tie
    accounts: Accounts
    clock: Clock

    async def __call__(self, user: UserId, other: UserId) -> Ties:
        private = await self.accounts.is_private(other)
        if private is None:
            raise NoSuchUser("no such user")
        ties = await self.tie(user, other, lambda ties: ties.followed(private=private))
        if ties.requested and await self.accounts.is_private(other) is False:
            # It became open meanwhile. Those who asked may have been let in before this request was there.
            ties = await self.tie(user, other, _let_in)
        return ties.as_of(self.clock())


def _let_in(ties: Ties) -> Ties:
    return ties.followed(private=False) if ties.requested else ties


@dataclass(frozen=True, slots=True)
class Mute:
    """Do not come across somebody any more, for a `duration` or for good. Raises NoSuchUser, OneselfOnly,
    TooManyMutes, and Invalid for a duration that is no minute or more than a year."""

    tie: Tie
    accounts: Accounts
    clock: Clock

    async def __call__(self, user: UserId, other: UserId, duration: timedelta | None) -> Ties:
        if duration is not None and not MIN_MUTE <= duration <= MAX_MUTE:
            raise Invalid(FieldError("?duration", "duration_range", "a mute lasts from a minute to a year"))
        if await self.accounts.is_private(other) is None:
            raise NoSuchUser("no such user")
        until = None if duration is None else self.clock() + duration
        return await self.tie(user, other, lambda ties: ties.muted(until))


@dataclass(frozen=True, slots=True)
class ChangeTies:
    """Do one of the things that Ties knows and that need nothing but the two people. Raises NoSuchUser, OneselfOnly,
    TooManyBlocks, and what the change raises."""

    tie: Tie
    accounts: Accounts
    clock: Clock
    change: Callable[[Ties], Ties]

    async def __call__(self, user: UserId, other: UserId) -> Ties:
        if await self.accounts.is_private(other) is None:
            raise NoSuchUser("no such user")
        return (await self.tie(user, other, self.change)).as_of(self.clock())
