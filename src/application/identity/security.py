"""The security log: which account did what, from which network, and with which outcome.

Each event is written to the log at once and stored a moment later. Repeated events are counted: within a minute five of a
kind are recorded one by one, and the rest as one event with a count.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, TypeAlias

from application.shared.events import AccountDeleted
from application.shared.ports import Clock
from domain.shared import (
    Conflict,
    EventId,
    Forbidden,
    SessionId,
    TooMany,
    Unauthenticated,
    Unavailable,
    UserId,
)

log = logging.getLogger("waggle.security")

KEPT = timedelta(days=90)
"""For this long the events stay stored."""
WINDOW = 60.0
"""Seconds within which repeated events are counted."""
ONE_BY_ONE = 5
"""Events of one kind, user and network that are recorded one by one within a window."""
MAX_KINDS = 200
"""Combinations of kind, user and network that are distinguished within a window. Further ones are counted by kind only."""
MAX_PENDING = 1000
"""Events that wait to be stored while the store is unavailable. Beyond that the oldest are dropped; they are in the log."""


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """Contains no address, no name and no secret, and no input of a client."""

    at: datetime
    kind: str
    outcome: str
    """`ok` or `refused`."""
    reason: str = ""
    """Why the action was refused (the error code), or a detail of its success."""
    user_id: UserId | None = None
    """The account that the event is about; None if it is about no account, or if the account was deleted."""
    session_id: SessionId | None = None
    network: str = ""
    """The IPv4 /24 or IPv6 /48 of the client; empty for commands of the operator."""
    request_id: str = ""
    count: int = 1
    """The number of equal events that this one stands for."""


class SecurityEvents(Protocol):
    """The stored events. Each call is a transaction of its own. All methods raise Unavailable."""

    async def add(self, events: Sequence[SecurityEvent]) -> None: ...

    async def of_user(self, user_id: UserId, limit: int) -> Sequence[SecurityEvent]:
        """Up to `limit` events about the account, newest first."""
        ...

    async def anonymize(self, user_id: UserId) -> None:
        """Remove the account and its sessions from its events. The events stay."""
        ...

    async def purge(self, before: datetime) -> int:
        """Delete the events from before `before`, and remove deleted accounts from the rest. Returns how many events were
        deleted."""
        ...


class Origin(NamedTuple):
    """The origin of the current request."""

    network: str = ""
    request_id: str = ""


_Key: TypeAlias = tuple[str, str, str, UserId | None, str]


@dataclass(slots=True)
class _Repeated:
    until: float
    last: SecurityEvent
    recorded: int = 1
    more: int = 0


@dataclass(slots=True)
class SecurityLog:
    """Records events without waiting for the store; `flush` stores them."""

    events: SecurityEvents
    clock: Clock
    monotonic: Callable[[], float]
    origin: Callable[[], Origin]
    _repeated: dict[_Key, _Repeated] = field(default_factory=dict)
    _pending: list[SecurityEvent] = field(default_factory=list)

    def __call__(
        self,
        kind: str,
        outcome: str = "ok",
        *,
        reason: str = "",
        user_id: UserId | None = None,
        session_id: SessionId | None = None,
    ) -> None:
        network, request_id = self.origin()
        event = SecurityEvent(self.clock(), kind, outcome, reason, user_id, session_id, network, request_id)
        self._end_windows(self.monotonic())
        if self._key(event) not in self._repeated and len(self._repeated) >= MAX_KINDS:
            event = replace(event, user_id=None, session_id=None, network="many")
        key = self._key(event)
        seen = self._repeated.get(key)
        if seen is None:
            self._repeated[key] = _Repeated(self.monotonic() + WINDOW, event)
        elif seen.recorded < ONE_BY_ONE:
            seen.recorded += 1
        else:
            seen.more, seen.last = seen.more + 1, event
            return
        self._record(event)

    @contextmanager
    def recording_refusals(
        self, kind: str, *, user_id: UserId | None = None, session_id: SessionId | None = None
    ) -> Iterator[None]:
        """Record a refusal if the block raises one."""
        try:
            yield
        except (Unauthenticated, Forbidden, Conflict, TooMany) as error:
            self(kind, "refused", reason=error.code, user_id=user_id, session_id=session_id)
            raise

    async def flush(self, *, everything: bool = False) -> None:
        """Store the pending events, and with `everything` also those that were only counted so far. If it raises
        Unavailable the events stay pending."""
        self._end_windows(self.monotonic() + (WINDOW if everything else 0))
        if some := self._pending[:]:
            await self.events.add(some)
            del self._pending[: len(some)]

    def _end_windows(self, now: float) -> None:
        for key in [key for key, seen in self._repeated.items() if seen.until <= now]:
            seen = self._repeated.pop(key)
            if seen.more:
                self._record(replace(seen.last, count=seen.more, session_id=None))

    def _record(self, event: SecurityEvent) -> None:
        log.info(
            "security event",
            extra={
                "kind": event.kind,
                "outcome": event.outcome,
                "reason": event.reason,
                "user_id": str(event.user_id or ""),
                "session_id": str(event.session_id or ""),
                "network": event.network,
                "request_id": event.request_id,
                "count": event.count,
            },
        )
        if (
            event.kind == "account_deleted" and event.outcome == "ok"
        ):  # a stored event names no deleted account
            deleted, event = event.user_id, _anonymized(event)
            self._repeated = {key: seen for key, seen in self._repeated.items() if key[3] != deleted}
            self._pending = [_anonymized(each) if each.user_id == deleted else each for each in self._pending]
        if len(self._pending) >= MAX_PENDING:
            del self._pending[0]
        self._pending.append(event)

    @staticmethod
    def _key(event: SecurityEvent) -> _Key:
        return event.kind, event.outcome, event.reason, event.user_id, event.network


def _anonymized(event: SecurityEvent) -> SecurityEvent:
    return replace(event, user_id=None, session_id=None)


@dataclass(frozen=True, slots=True)
class AnonymizeSecurityEvents:
    """Removes a deleted account from the stored events."""

    events: SecurityEvents

    async def __call__(self, event: AccountDeleted, _event_id: EventId) -> None:
        await self.events.anonymize(UserId(event.user_id))


@dataclass(frozen=True, slots=True)
class PurgeSecurityEvents:
    events: SecurityEvents
    clock: Clock

    async def __call__(self) -> int:
        return await self.events.purge(self.clock() - KEPT)


async def flushed(security: SecurityLog, *, everything: bool = False) -> None:
    """Flush, and log a warning if the store is unavailable."""
    try:
        await security.flush(everything=everything)
    except Unavailable as error:
        log.warning("security events cannot be stored now and will be retried: %s", error)
