"""Ports that every module uses: transactions, time, ids, the outbox, the inbox, idempotency."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
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
    """For subscribers whose effect is not the same when it happens twice."""

    async def first_time(self, subscriber: str, event: EventId) -> bool:
        """Mark `event` as handled by `subscriber` in this transaction; False if it already was."""
        ...

    async def handled(self, subscriber: str, events: Collection[EventId]) -> frozenset[EventId]:
        """Those of `events` that are marked as handled by `subscriber`."""
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


class ViewerContexts(Protocol):
    """The question that every read asks first: how does the viewer stand to others. Answered by graph."""

    async def of(self, viewer: UserId | None) -> ViewerContext:
        """As of now for what this process did, and at most half a second old for what others did. Ask
        before a transaction, not in it. A stranger's for None. Raises Unavailable."""
        ...
