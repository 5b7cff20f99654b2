"""The security log: which account did what, from which network, and with which outcome.

Each record is written to the log at once and stored a moment later. Repeated records are counted: within a minute five of a
kind are recorded one by one, and the rest as one record with a count.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, TypeAlias

from application.shared.events import AccountDeleted
from application.shared.log import log
from application.shared.log_events import SecurityEvent, SecurityEventsNotStored
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

KEPT = timedelta(days=90)
"""For this long the records stay stored."""
WINDOW = 60.0
"""Seconds within which repeated records are counted."""
ONE_BY_ONE = 5
"""Records of one kind, user and network that are recorded one by one within a window."""
MAX_KINDS = 200
"""Combinations of kind, user and network that are distinguished within a window. Further ones are counted by kind only."""
MAX_PENDING = 1000
"""Records that wait to be stored while the store is unavailable. Beyond that the oldest are dropped; they are in the log."""


@dataclass(frozen=True, slots=True)
class SecurityRecord:
    """An entry of the security log, which operators know as a security event. It is no event of the outbox. Contains no
    address, no name and no secret, and no input of a client."""

    at: datetime
    kind: str
    outcome: str
    """`ok` or `refused`."""
    reason: str = ""
    """Why the action was refused (the error code), or a detail of its success."""
    user_id: UserId | None = None
    """The account that the record is about; None if it is about no account, or if the account was deleted."""
    session_id: SessionId | None = None
    network: str = ""
    """The IPv4 /24 or IPv6 /48 of the client; empty for commands of the operator."""
    request_id: str = ""
    count: int = 1
    """The number of equal records that this one stands for."""


class SecurityRecords(Protocol):
    """The stored records. Each call is a transaction of its own. All methods raise Unavailable."""

    async def add(self, records: Sequence[SecurityRecord]) -> None: ...

    async def of_user(self, user_id: UserId, limit: int) -> Sequence[SecurityRecord]:
        """Up to `limit` records about the account, newest first."""
        ...

    async def anonymize(self, user_id: UserId) -> None:
        """Remove the account and its sessions from its records. The records stay."""
        ...

    async def purge(self, before: datetime) -> int:
        """Delete the records from before `before`, and remove deleted accounts from the rest. Returns how many records were
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
    last: SecurityRecord
    recorded: int = 1
    more: int = 0


@dataclass(slots=True)
class SecurityLog:
    """Records records without waiting for the store; `flush` stores them."""

    records: SecurityRecords
    clock: Clock
    monotonic: Callable[[], float]
    origin: Callable[[], Origin]
    _repeated: dict[_Key, _Repeated] = field(default_factory=dict)
    _pending: list[SecurityRecord] = field(default_factory=list)

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
        record = SecurityRecord(self.clock(), kind, outcome, reason, user_id, session_id, network, request_id)
        self._end_windows(self.monotonic())
        if self._key(record) not in self._repeated and len(self._repeated) >= MAX_KINDS:
            record = replace(record, user_id=None, session_id=None, network="many")
        key = self._key(record)
        seen = self._repeated.get(key)
        if seen is None:
            self._repeated[key] = _Repeated(self.monotonic() + WINDOW, record)
        elif seen.recorded < ONE_BY_ONE:
            seen.recorded += 1
        else:
            seen.more, seen.last = seen.more + 1, record
            return
        self._record(record)

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
        """Store the pending records, and with `everything` also those that were only counted so far. If it raises
        Unavailable the records stay pending."""
        self._end_windows(self.monotonic() + (WINDOW if everything else 0))
        if some := self._pending[:]:
            await self.records.add(some)
            del self._pending[: len(some)]

    def _end_windows(self, now: float) -> None:
        for key in [key for key, seen in self._repeated.items() if seen.until <= now]:
            seen = self._repeated.pop(key)
            if seen.more:
                self._record(replace(seen.last, count=seen.more, session_id=None))

    def _record(self, record: SecurityRecord) -> None:
        log(
            SecurityEvent(
                security_action=record.kind,
                outcome="success" if record.outcome == "ok" else "failure",
                reason=record.reason,
                user_id=record.user_id,
                session_id=record.session_id,
                network=record.network,
                request_id=record.request_id,
                count=record.count,
            )
        )
        if (
            record.kind == "account_deleted" and record.outcome == "ok"
        ):  # a stored record names no deleted account
            deleted, record = record.user_id, _anonymized(record)
            self._repeated = {key: seen for key, seen in self._repeated.items() if key[3] != deleted}
            self._pending = [_anonymized(each) if each.user_id == deleted else each for each in self._pending]
        if len(self._pending) >= MAX_PENDING:
            del self._pending[0]
        self._pending.append(record)

    @staticmethod
    def _key(record: SecurityRecord) -> _Key:
        return record.kind, record.outcome, record.reason, record.user_id, record.network


def _anonymized(record: SecurityRecord) -> SecurityRecord:
    return replace(record, user_id=None, session_id=None)


@dataclass(frozen=True, slots=True)
class AnonymizeSecurityRecords:
    """Removes a deleted account from the stored records."""

    records: SecurityRecords

    async def __call__(self, event: AccountDeleted, _event_id: EventId) -> None:
        await self.records.anonymize(UserId(event.user_id))


@dataclass(frozen=True, slots=True)
class PurgeSecurityRecords:
    records: SecurityRecords
    clock: Clock

    async def __call__(self) -> int:
        return await self.records.purge(self.clock() - KEPT)


async def flushed(security: SecurityLog, *, everything: bool = False) -> None:
    """Flush, and log a warning if the store is unavailable."""
    try:
        await security.flush(everything=everything)
    except Unavailable as error:
        log(SecurityEventsNotStored(reason=str(error)))
