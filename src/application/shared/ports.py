"""Ports that all modules use: transactions, time, ids, the outbox, the inbox, idempotency."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypeAlias, TypeVar

from application.shared.events import Event
from domain.dataclasses import dataclass
from domain.shared import EventId, SessionId, UserId, ViewerContext

T = TypeVar("T")
OpenTx: TypeAlias = Callable[[], AbstractAsyncContextManager[T]]
"""Open a transaction: it commits when the block ends, and rolls back when the block raises.

Others see all changes of a block or none, and the changes survive a crash once the block has ended. Raises Unavailable if
the store is unavailable, busy beyond its timeouts, or has aborted the transaction in favour of another. Then nothing is
stored, with one exception: if the connection is lost during the commit itself, the outcome is unknown, and the caller
retries with the same idempotency key.
"""

Clock: TypeAlias = Callable[[], datetime]
"""Now, in UTC. For times that people see; never for measuring durations."""

NewId: TypeAlias = Callable[[], int]
"""A new id. It is unique among all processes and greater than every earlier id of this process; its upper 48 bits are
milliseconds since 1970. Raises Unavailable while uniqueness cannot be guaranteed."""

PurgeExpired: TypeAlias = Callable[[], Awaitable[int]]
"""Delete the expired rows of one module in small batches, so that no request waits for it. Returns how many were deleted."""

Record: TypeAlias = Mapping[str, Any]
"""A small outcome that can be stored as JSON: strings, numbers, None, and lists of these."""


class Outbox(Protocol):
    async def add(self, event: Event) -> None:
        """Record `event` in this transaction; it is delivered at least once after the commit, in
        the order of commits among the events of one aggregate. The caller must hold the lock of the
        aggregate's row; otherwise that order is undefined."""
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
    """One attempt of a client at an effect that must happen once."""

    scope: str
    """The user and the operation. Keys of different scopes are independent."""
    key: str
    """Chosen by the client, 1 to 255 printable ASCII characters."""
    fingerprint: str
    """A keyed hash of the request. The same key with another fingerprint is an error of the client."""
    owner: UserId | None = None
    """The user of the request; None without a token."""


class Idempotency(Protocol):
    async def begin(self, idempotent_request: IdempotentRequest) -> Record | None:
        """Claim the key in this transaction, or return the outcome of an earlier attempt.

        Raises KeyReused if the earlier attempt was another request, and KeyInFlight if it is still running at the end of the
        store's lock timeout. Outcomes are kept for 24 hours.
        """
        ...

    async def finish(
        self,
        idempotent_request: IdempotentRequest,
        outcome: Record,
        owner: UserId | None = None,
        session: SessionId | None = None,
    ) -> None:
        """Store the outcome of the attempt that `begin` claimed, in the same commit as its effect. `owner` is the user to whom
        the outcome belongs, if it is not the user of the request. `session` is the session whose credentials it contains."""
        ...

    async def wipe(self, user_id: UserId) -> None:
        """Delete the outcomes that belong to this user."""
        ...

    async def wipe_credentials(self, sessions: Collection[SessionId]) -> None:
        """Delete the outcomes that contain credentials of these sessions. Their keys become free again."""
        ...


class ActiveSessions(Protocol):
    """The sessions that have not ended. The identity module provides them."""

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        """Those of any number of sessions that are active now and whose accounts exist."""
        ...


class ViewerContexts(Protocol):
    """The viewer contexts that every read needs first. The graph module provides them."""

    async def of(self, viewer: UserId | None) -> ViewerContext:
        """Up to date with the changes of this process, and at most half a second behind those of others. Call it before a
        transaction, not in it. The anonymous context for None. Raises Unavailable."""
        ...
