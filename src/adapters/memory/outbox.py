"""The outbox, its dead letters, the inbox and idempotency keys in memory."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from adapters import events
from adapters.memory.store import Draft, Store
from application.shared.errors import KeyReused
from application.shared.events import Event
from application.shared.ports import Delivery, IdempotentRequest, NewId, Record
from domain.shared import EventId, SessionId, UserId


@dataclass(frozen=True, slots=True)
class _Entry:
    seq: int
    event_id: EventId
    aggregate: str
    kind: str
    data: str  # JSON, so that events make the same round trip as in a database
    attempts: int = 0
    due_at: float = 0
    leased_until: float = 0
    lease: int = 0
    error: str = ""

    def delivery(self) -> Delivery:
        event = events.load(self.kind, self.data)
        return Delivery(self.seq, self.event_id, self.aggregate, self.kind, event, self.attempts, self.lease)


@dataclass(frozen=True, slots=True)
class MemoryOutbox:
    rows: Draft
    new_id: NewId

    async def add(self, event: Event) -> None:
        seq = self.rows.store.next_number()
        entry = _Entry(seq, EventId(self.new_id()), event.aggregate, type(event).__name__, events.dump(event))
        self.rows.put("outbox", seq, entry)


@dataclass(frozen=True, slots=True)
class MemoryInbox:
    rows: Draft

    async def first_time(self, reaction: str, event: EventId) -> bool:
        if self.rows.get("inbox", (reaction, event)):
            return False
        self.rows.put("inbox", (reaction, event), "handled")
        return True

    async def handled(self, reaction: str, events: Collection[EventId]) -> frozenset[EventId]:
        return frozenset(event for event in events if self.rows.get("inbox", (reaction, event)))


@dataclass(frozen=True, slots=True)
class MemoryOutboxQueue:
    store: Store
    monotonic: Callable[[], float]

    async def claim(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        now = self.monotonic()
        async with self.store.begin() as rows:
            claimed: list[_Entry] = []
            held_up: set[str] = set()
            for entry in sorted(rows.all("outbox"), key=lambda entry: entry.seq):
                if entry.due_at > now or entry.leased_until > now:
                    held_up.add(entry.aggregate)
                elif entry.aggregate not in held_up and len(claimed) < limit:
                    claimed.append(entry)
            until, number = now + lease.total_seconds(), self.store.next_number()
            claimed = [replace(entry, leased_until=until, lease=number) for entry in claimed]
            for entry in claimed:
                rows.put("outbox", entry.seq, entry)
        return [entry.delivery() for entry in claimed]

    async def done(self, deliveries: Sequence[Delivery]) -> None:
        async with self.store.begin() as rows:
            for entry in _leased(rows, deliveries):
                rows.delete("outbox", entry.seq)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        async with self.store.begin() as rows:
            for entry in _leased(rows, deliveries):
                rows.put("outbox", entry.seq, replace(entry, leased_until=0, lease=0))

    async def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> Sequence[Delivery]:
        until = self.monotonic() + lease.total_seconds()
        async with self.store.begin() as rows:
            kept = [replace(entry, leased_until=until) for entry in _leased(rows, deliveries)]
            for entry in kept:
                rows.put("outbox", entry.seq, entry)
        return [entry.delivery() for entry in kept]

    async def retry(self, delivery: Delivery, after: timedelta, *, counted: bool = True) -> None:
        due_at = self.monotonic() + after.total_seconds()
        async with self.store.begin() as rows:
            for entry in _leased(rows, [delivery]):
                again = replace(
                    entry, attempts=entry.attempts + counted, due_at=due_at, leased_until=0, lease=0
                )
                rows.put("outbox", entry.seq, again)

    async def bury(self, delivery: Delivery, error: str) -> None:
        async with self.store.begin() as rows:
            for entry in _leased(rows, [delivery]):
                rows.put("dead_letters", entry.seq, replace(entry, attempts=entry.attempts + 1, error=error))
                rows.delete("outbox", entry.seq)

    async def dead(self, limit: int) -> Sequence[tuple[Delivery, str]]:
        entries = sorted(self.store.all("dead_letters"), key=lambda entry: entry.seq)
        return [(entry.delivery(), entry.error) for entry in entries[:limit]]

    async def replay(self, seqs: Sequence[int]) -> int:
        async with self.store.begin() as rows:
            dead = [entry for seq in sorted(seqs) if (entry := rows.get("dead_letters", seq))]
            for entry in dead:
                seq = self.store.next_number()
                rows.put("outbox", seq, _Entry(seq, entry.event_id, entry.aggregate, entry.kind, entry.data))
                rows.delete("dead_letters", entry.seq)
        return len(dead)

    async def waiting(self) -> int:
        return sum(1 for _ in self.store.all("outbox"))


def _leased(rows: Draft, deliveries: Sequence[Delivery]) -> list[_Entry]:
    """The entries of those whose lease was not lost."""
    entries = ((rows.get("outbox", delivery.seq), delivery) for delivery in deliveries)
    return [entry for entry, delivery in entries if entry and entry.lease == delivery.lease]


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
