"""The outbox, what is left of deliveries, the dead letters, the inbox and idempotency keys in memory."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from adapters import events
from adapters.leases import OwnLeases
from adapters.memory.store import Draft, Store
from adapters.trace_context import traceparent
from application.shared.deliveries import NOT_DISTRIBUTED, Counts, DeadLetter, Delivery, Remaining, Settled
from application.shared.errors import KeyReused
from application.shared.events import Event
from application.shared.ports import IdempotentRequest, NewId, Record
from domain.shared import EventId, SessionId, UserId


@dataclass(frozen=True, slots=True)
class _Entry:
    seq: int
    event_id: EventId
    aggregate: str
    kind: str
    data: str  # JSON, so that events make the same round trip as in a database
    subscriber: str = NOT_DISTRIBUTED
    attempts: int = 0
    due_at: float = 0
    continue_from: str | None = None
    error: str = ""
    traceparent: str | None = None

    def delivery(self, behind: frozenset[str] = frozenset(), lease: int = 0) -> Delivery:
        return Delivery(
            self.seq,
            self.subscriber,
            self.event_id,
            self.aggregate,
            self.kind,
            events.load(self.kind, self.data),
            self.attempts,
            self.continue_from,
            behind,
            lease,
            self.traceparent,
        )

    def remaining(self, remaining: Remaining, now: float) -> "_Entry":
        return replace(
            self,
            subscriber=remaining.subscriber,
            attempts=remaining.attempts,
            due_at=now + remaining.after.total_seconds(),
            continue_from=remaining.continue_from,
            error=remaining.error,
        )

    @property
    def table(self) -> str:
        return "deliveries" if self.subscriber else "outbox"

    @property
    def key(self) -> tuple[int, str]:
        return self.seq, self.subscriber


@dataclass(frozen=True, slots=True)
class MemoryOutbox:
    rows: Draft
    new_id: NewId

    async def add(self, event: Event) -> None:
        seq = self.rows.store.next_number()
        entry = _Entry(
            seq,
            EventId(self.new_id()),
            event.aggregate,
            type(event).__name__,
            events.dump(event),
            traceparent=traceparent.get(),
        )
        self.rows.put("outbox", entry.key, entry)
        self.rows.has_events = True


@dataclass(frozen=True, slots=True)
class MemoryInbox:
    rows: Draft

    async def first_time(self, subscriber: str, event: EventId) -> bool:
        if self.rows.get("inbox", (subscriber, event)):
            return False
        self.rows.put("inbox", (subscriber, event), "handled")
        return True

    async def handled(self, subscriber: str, events: Collection[EventId]) -> frozenset[EventId]:
        return frozenset(event for event in events if self.rows.get("inbox", (subscriber, event)))


@dataclass(frozen=True, slots=True)
class MemoryOutboxQueue:
    store: Store
    monotonic: Callable[[], float]
    leases: OwnLeases = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "leases", OwnLeases(self.monotonic))

    async def claim_events(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        entries: list[_Entry] = sorted(self.store.all("outbox"), key=_by_seq)
        if not entries:
            return []
        behind: defaultdict[str, set[str]] = defaultdict(set)
        for entry in self.store.all("deliveries"):
            behind[entry.aggregate].add(entry.subscriber)
        taken, number = self.leases.take(self._due(entries), limit, lease)
        return [entry.delivery(frozenset(behind.get(entry.aggregate, ())), number) for entry in taken]

    async def claim_remaining(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        first: dict[tuple[str, str], _Entry] = {}
        for entry in sorted(self.store.all("deliveries"), key=_by_seq):
            first.setdefault((entry.aggregate, entry.subscriber), entry)
        due = sorted(self._due(first.values()), key=lambda entry: (entry.due_at, entry.seq))
        taken, number = self.leases.take(due, limit, lease)
        return [entry.delivery(lease=number) for entry in taken]

    def _due(self, entries: Iterable[_Entry]) -> Iterable[_Entry]:
        """Those of the entries, oldest first, that are due and behind none that is not."""
        now, held_up = self.monotonic(), set[str]()
        for entry in entries:
            if entry.due_at > now:
                held_up.add(entry.aggregate)
            elif entry.subscriber or entry.aggregate not in held_up:
                yield entry

    async def settle(self, settled: Sequence[Settled]) -> None:
        now = self.monotonic()
        async with self.store.begin() as rows:
            for delivery, remaining in settled:
                entry = rows.get("deliveries" if delivery.subscriber else "outbox", delivery.key)
                if entry is None or not self.leases.owns(delivery):
                    continue
                rows.delete(entry.table, entry.key)
                for one in remaining:
                    after = entry.remaining(one, now)
                    rows.put("dead_letters" if one.is_dead else after.table, after.key, after)
        self.leases.end(delivery for delivery, _ in settled)

    async def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> Sequence[Delivery]:
        return self.leases.renew(deliveries, lease)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        self.leases.end(deliveries)

    async def dead(self, limit: int, subscriber: str | None = None) -> Sequence[DeadLetter]:
        entries = sorted(self._dead(None, subscriber), key=lambda entry: entry.key)
        return [DeadLetter(entry.delivery(), entry.error) for entry in entries[:limit]]

    async def replay(self, seqs: Collection[int] | None = None, subscriber: str | None = None) -> int:
        async with self.store.begin() as rows:
            dead = [*self._dead(seqs, subscriber)]
            for entry in dead:
                rows.delete("dead_letters", entry.key)
                again = replace(entry, attempts=0, due_at=0, error="")
                rows.put(again.table, again.key, again)
        return len(dead)

    def _dead(self, seqs: Collection[int] | None, subscriber: str | None) -> Iterable[_Entry]:
        return (
            entry
            for entry in self.store.all("dead_letters")
            if (seqs is None or entry.seq in seqs) and subscriber in {None, entry.subscriber}
        )

    async def counts(self, limit: int = 1_000_000) -> Mapping[str, Counts]:
        remaining = [*self._oldest("outbox", limit), *self._oldest("deliveries", limit)]
        pending = Counter(entry.subscriber for entry in remaining if not entry.error)
        retrying = Counter(entry.subscriber for entry in remaining if entry.error)
        dead = Counter(entry.subscriber for entry in self._oldest("dead_letters", limit))
        oldest: dict[str, EventId] = {}
        for entry in remaining:
            oldest[entry.subscriber] = min(entry.event_id, oldest.get(entry.subscriber, entry.event_id))
        return {
            name: Counts(pending[name], retrying[name], dead[name], oldest.get(name))
            for name in pending | retrying | dead
        }

    def _oldest(self, table: str, limit: int) -> Sequence[_Entry]:
        return sorted(self.store.all(table), key=_by_seq)[:limit]

    async def waiting(self) -> int:
        return sum(1 for table in ("outbox", "deliveries") for _ in self.store.all(table))


def _by_seq(entry: _Entry) -> int:
    return entry.seq


@dataclass(frozen=True, slots=True)
class MemoryIdempotency:
    """There is one writer at a time, so no attempt is ever seen while it is still running."""

    rows: Draft

    async def begin(self, idempotent_request: IdempotentRequest) -> Record | None:
        earlier = self.rows.get("idempotency", (idempotent_request.scope, idempotent_request.key))
        if earlier is None:
            return None
        fingerprint, outcome, *_ = earlier
        if fingerprint != idempotent_request.fingerprint:
            raise KeyReused
        kept: Record = json.loads(outcome)  # the round trip that a database makes
        return kept

    async def finish(
        self,
        idempotent_request: IdempotentRequest,
        outcome: Record,
        owner: UserId | None = None,
        session: SessionId | None = None,
    ) -> None:
        row = (
            idempotent_request.fingerprint,
            json.dumps(dict(outcome)),
            owner or idempotent_request.owner,
            session,
        )
        self.rows.put("idempotency", (idempotent_request.scope, idempotent_request.key), row)

    async def wipe(self, user_id: UserId) -> None:
        for key, (_fingerprint, _outcome, owner, _session) in self.rows.items("idempotency"):
            if owner == user_id:
                self.rows.delete("idempotency", key)

    async def wipe_credentials(self, sessions: Collection[SessionId]) -> None:
        for key, (*_, session) in self.rows.items("idempotency"):
            if session in sessions:
                self.rows.delete("idempotency", key)
