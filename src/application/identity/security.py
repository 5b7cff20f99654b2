"""What is noted of security: who did what, from which network, and what came of it.

Each event becomes one line of the log at once and, a moment later, a row. What repeats is counted: five of a kind are noted
one by one within a minute, the rest of that minute by one event with their number.
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
"""For this long events are stored."""
WINDOW = 60.0
"""Seconds within which what repeats is counted."""
ONE_BY_ONE = 5
"""Events of a kind, user and network that are noted each in a window."""
MAX_KINDS = 200
"""Of kind, user and network that are told apart in a window. What comes beyond counts for its kind only."""
MAX_WAITING = 1000
"""Events that wait to be stored, while the store is away. The log has those that are lost."""


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """It has no address, no name and no secret, and nothing that a client typed."""

    at: datetime
    kind: str
    outcome: str
    """`ok` or `refused`."""
    reason: str = ""
    """Why it was refused (the code of the error), or else what more there is to say."""
    user_id: UserId | None = None
    """Whose account it is about; None where nobody's is, or where it is gone."""
    session_id: SessionId | None = None
    network: str = ""
    """The IPv4 /24 or IPv6 /48 that it came from; empty for commands of the operator."""
    request_id: str = ""
    count: int = 1
    """How many alike this event stands for."""


class SecurityEvents(Protocol):
    """Where the events are stored. Each call is a transaction of its own; all raise Unavailable."""

    async def add(self, events: Sequence[SecurityEvent]) -> None: ...

    async def of_user(self, user_id: UserId, limit: int) -> Sequence[SecurityEvent]:
        """Those about an account, the newest first."""
        ...

    async def anonymize(self, user_id: UserId) -> None:
        """Take the account and its sessions out of the events, which stay."""
        ...

    async def purge(self, before: datetime) -> int:
        """Delete those from before `before`, and take accounts that are gone out of the rest; how many were
        deleted."""
        ...


class Origin(NamedTuple):
    """Where what happens at this moment comes from."""

    network: str = ""
    request_id: str = ""


_Key: TypeAlias = tuple[str, str, str, UserId | None, str]


@dataclass(slots=True)
class _Repeated:
    until: float
    last: SecurityEvent
    noted: int = 1
    more: int = 0


@dataclass(slots=True)
class SecurityLog:
    """Notes events without waiting for anything; `flush` stores them."""

    events: SecurityEvents
    clock: Clock
    monotonic: Callable[[], float]
    origin: Callable[[], Origin]
    _repeated: dict[_Key, _Repeated] = field(default_factory=dict)
    _waiting: list[SecurityEvent] = field(default_factory=list)

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
        elif seen.noted < ONE_BY_ONE:
            seen.noted += 1
        else:
            seen.more, seen.last = seen.more + 1, event
            return
        self._record(event)

    @contextmanager
    def recording_refusals(
        self, kind: str, *, user_id: UserId | None = None, session_id: SessionId | None = None
    ) -> Iterator[None]:
        """Note that what the block does was refused, if it was."""
        try:
            yield
        except (Unauthenticated, Forbidden, Conflict, TooMany) as error:
            self(kind, "refused", reason=error.code, user_id=user_id, session_id=session_id)
            raise

    async def flush(self, *, everything: bool = False) -> None:
        """Store what waits; with `everything` what was only counted until now, too. Raises Unavailable, and then it
        still waits."""
        self._end_windows(self.monotonic() + (WINDOW if everything else 0))
        if some := self._waiting[:]:
            await self.events.add(some)
            del self._waiting[: len(some)]

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
        ):  # what is stored names nobody who is gone
            gone, event = event.user_id, _anonymized(event)
            self._repeated = {key: seen for key, seen in self._repeated.items() if key[3] != gone}
            self._waiting = [_anonymized(each) if each.user_id == gone else each for each in self._waiting]
        if len(self._waiting) >= MAX_WAITING:
            del self._waiting[0]
        self._waiting.append(event)

    @staticmethod
    def _key(event: SecurityEvent) -> _Key:
        return event.kind, event.outcome, event.reason, event.user_id, event.network


def _anonymized(event: SecurityEvent) -> SecurityEvent:
    return replace(event, user_id=None, session_id=None)


@dataclass(frozen=True, slots=True)
class AnonymizeSecurityEvents:
    """Takes an account that was deleted out of the events."""

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
    """Flush, and say so in the log if the store is away."""
    try:
        await security.flush(everything=everything)
    except Unavailable as error:
        log.warning("security events wait to be stored: %s", error)
