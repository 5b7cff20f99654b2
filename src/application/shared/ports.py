"""Ports that every module uses: transactions, time, ids, the outbox, the inbox, idempotency."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias, TypeVar

from application.shared.events import Event
from domain.shared import EventId, SessionId, UserId, ViewerContext

T = TypeVar("T")
OpenTx: TypeAlias = Callable[[], AbstractAsyncContextManager[T]]
"""Open a transaction: commits when the block ends, rolls back when it raises.

What a block wrote is seen by others all at once or never, and survives a crash once the block has
ended. Raises Unavailable when the store is away, busy beyond its timeouts or gave the transaction
up for another; nothing of it is kept then, except that a connection lost during the commit itself
leaves the outcome unknown: the caller tries again with the same idempotency key.
"""

Clock: TypeAlias = Callable[[], datetime]
"""Now, in UTC. For what people see; never for measuring durations."""

NewId: TypeAlias = Callable[[], int]
"""A new id: unique among all processes, greater than every id this process made before, its upper
48 bits the milliseconds since 1970. Raises Unavailable while uniqueness cannot be promised."""

Record: TypeAlias = Mapping[str, Any]
"""A small outcome that survives being stored as JSON: strings, numbers, None, and lists of them."""


class Outbox(Protocol):
    async def add(self, event: Event) -> None:
        """Record `event` in this transaction; it is delivered at least once after the commit, in
        the order of commits among the events of one aggregate. The caller holds the lock of the
        aggregate's row, which is what gives that order a meaning."""
        ...


class Inbox(Protocol):
    async def first_time(self, reaction: str, event: EventId) -> bool:
        """Mark `event` as handled by `reaction` in this transaction; False if it already was."""
        ...

    async def handled(self, reaction: str, events: Collection[EventId]) -> frozenset[EventId]:
        """Those of `events` that are marked as handled by `reaction`."""
        ...


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """One try of a client at an effect that must happen once."""

    scope: str
    """Who tries what: keys of different users and operations never meet."""
    key: str
    """Chosen by the client, 1 to 255 printable ASCII characters."""
    fingerprint: str
    """A keyed hash of the request: the same key with another one is a mistake of the client."""
    owner: UserId | None = None
    """Who tries; None for somebody without a token."""


class Idempotency(Protocol):
    async def begin(self, idempotent_request: IdempotentRequest) -> Record | None:
        """Claim the key in this transaction, or give the outcome of the attempt that had it before.

        Raises KeyReused if that attempt asked for something else, and KeyInFlight if it is still
        running when the store's lock timeout ends. Outcomes are kept for 24 hours.
        """
        ...

    async def finish(
        self,
        idempotent_request: IdempotentRequest,
        outcome: Record,
        owner: UserId | None = None,
        session: SessionId | None = None,
    ) -> None:
        """Store the outcome of the attempt that `begin` claimed, with its effect, in one commit. `owner`
        is whose it is, if that is not who tries. `session` is the one whose credentials it carries."""
        ...

    async def wipe(self, user_id: UserId) -> None:
        """Forget the outcomes that are this user's."""
        ...

    async def wipe_credentials(self, sessions: Collection[SessionId]) -> None:
        """Forget the outcomes that carry credentials of these sessions: their keys are free again."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way, leased to one relay."""

    seq: int
    """Position in the outbox; greater means committed later within an aggregate."""
    event_id: EventId
    aggregate: str
    kind: str
    event: Event | None
    """None if this process cannot read it: mostly because a newer one wrote it."""
    attempts: int
    """How often it was tried before, 0 the first time."""
    lease: int = field(default=0, compare=False)
    """Tells this lease from every other one of the event."""


class OutboxQueue(Protocol):
    """The other end of the outbox, for the relay. Each call is a transaction of its own, and none has an
    effect on an event whose lease was lost, because it ended and another relay claimed the event."""

    async def claim(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Lease up to `limit` due events, oldest first. An event is never given while an earlier one
        of its aggregate is leased or waits for a retry, unless that one is in the same answer."""
        ...

    async def done(self, deliveries: Sequence[Delivery]) -> None:
        """Forget delivered events."""
        ...

    async def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> Sequence[Delivery]:
        """Those whose lease was not lost, with a lease that begins now. Only these can be given back."""
        ...

    async def retry(self, delivery: Delivery, after: timedelta, *, counted: bool = True) -> None:
        """Give the event back, to be claimed again `after` from now, as an attempt if it is `counted`."""
        ...

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give events back untried."""
        ...

    async def bury(self, delivery: Delivery, error: str) -> None:
        """Move the event to the dead letters, where it blocks nobody and waits for `replay`."""
        ...

    async def dead(self, limit: int) -> Sequence[tuple[Delivery, str]]:
        """The dead letters with their last error, oldest first."""
        ...

    async def replay(self, seqs: Sequence[int]) -> int:
        """Put dead letters back into the outbox as new; returns how many there were."""
        ...

    async def waiting(self) -> int:
        """How many events are not delivered yet, dead letters aside."""
        ...


class ViewerContexts(Protocol):
    """The question that every read asks first: how does the viewer stand to others. Answered by graph."""

    async def of(self, viewer: UserId | None) -> ViewerContext:
        """As of now for what this process did, and at most half a second old for what others did. Ask
        before a transaction, not in it. A stranger's for None. Raises Unavailable."""
        ...
