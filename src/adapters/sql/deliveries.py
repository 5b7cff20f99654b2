"""Pending deliveries, for the relay: on PostgreSQL with leases in the rows, since several processes claim;
on SQLite with leases of the one process that has the file, which cost no commit."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    and_,
    delete,
    insert,
    literal,
    select,
    text,
    true,
)

from adapters import events
from adapters.leases import OwnLeases
from adapters.sql.database import Database
from adapters.sql.delivery_statements import COUNTS, EVENT_COLUMNS, EVENTS, REMAINING, WAITING, Statements
from adapters.sql.metadata import now_ms
from adapters.sql.outbox import dead_letters, deliveries, insert_new, outbox
from adapters.sql.transactions import Transaction
from application.shared.deliveries import (
    NOT_DISTRIBUTED,
    Counts,
    DeadLetter,
    Delivery,
    OutboxQueue,
    Remaining,
    Settled,
)
from domain.shared import EventId

_CLAIM_LOCK = 0x7761676F
"""Claims of several relays go one after the other: a claim must see the leases of the one before."""
_MS = timedelta(milliseconds=1)

_Key: TypeAlias = dict[str, int | str]


def _dead_of(seqs: Collection[int] | None, subscriber: str | None) -> ColumnElement[bool]:
    of_event = true() if seqs is None else dead_letters.c.seq.in_(seqs)
    return of_event if subscriber is None else and_(of_event, dead_letters.c.subscriber == subscriber)


def queue_on(database: Database, monotonic: Callable[[], float]) -> OutboxQueue:
    return SqliteOutboxQueue(database, monotonic) if database.is_sqlite else PostgresOutboxQueue(database)


@dataclass(frozen=True, slots=True)
class _SqlOutboxQueue:
    database: Database

    async def _settle(self, settled: Sequence[Settled]) -> None:
        # An event that is delivered again, because its end was lost, changes nothing.
        async with self.database.begin(is_synced=False) as transaction:
            for statements, are_remaining in ((EVENTS, False), (REMAINING, True)):
                done = [
                    _key(one)
                    for one, remaining in settled
                    if not remaining and bool(one.subscriber) is are_remaining
                ]
                if done:
                    await transaction.execute(statements.remove, done)
            for delivery, remaining in settled:
                if remaining:
                    await self._keep(transaction, delivery, remaining)

    @staticmethod
    async def _keep(transaction: Transaction, delivery: Delivery, remaining: Sequence[Remaining]) -> None:
        statements = _of(delivery)
        row = (await transaction.execute(statements.lock, _key(delivery))).one_or_none()
        if row is None:  # the lease was lost
            return
        stays = False
        for one in remaining:
            if one.subscriber == delivery.subscriber and not one.is_dead:
                stays = True
                await transaction.execute(statements.again, _key(delivery) | _new(one))
                continue
            kept = {name: getattr(row, name) for name in EVENT_COLUMNS} | {
                "subscriber": one.subscriber,
                "attempts": one.attempts,
                "continue_from": one.continue_from,
                "error": one.error,
            }
            if one.is_dead:
                await transaction.execute(insert_new(dead_letters), kept)
            else:
                due = now_ms() + one.after // _MS
                await transaction.execute(insert_new(deliveries).values(**kept, due_at=due))
        if not stays:
            await transaction.execute(statements.remove, _key(delivery))

    async def dead(self, limit: int, subscriber: str | None = None) -> Sequence[DeadLetter]:
        rows = select(dead_letters).where(_dead_of(None, subscriber))
        rows = rows.order_by(dead_letters.c.seq, dead_letters.c.subscriber).limit(limit)
        async with self.database.begin() as transaction:
            found = (await transaction.execute(rows)).all()
        return [
            DeadLetter(
                Delivery(
                    row.seq,
                    row.subscriber,
                    row.event_id,
                    row.aggregate,
                    row.kind,
                    events.load(row.kind, row.data),
                    row.attempts,
                    row.continue_from,
                ),
                row.error,
            )
            for row in found
        ]

    async def replay(self, seqs: Collection[int] | None = None, subscriber: str | None = None) -> int:
        chosen, c = _dead_of(seqs, subscriber), dead_letters.c
        to_all = [c[name] for name in EVENT_COLUMNS if name != "seq"]
        to_one = [
            *(c[name] for name in EVENT_COLUMNS),
            c.subscriber,
            literal(0),
            now_ms(),
            c.continue_from,
            literal(""),
        ]
        everybody = select(*to_all).where(chosen, c.subscriber == NOT_DISTRIBUTED).order_by(c.seq)
        one = select(*to_one).where(chosen, c.subscriber != NOT_DISTRIBUTED)
        names = [*EVENT_COLUMNS, "subscriber", "attempts", "due_at", "continue_from", "error"]
        async with self.database.begin() as transaction:
            # As new events: their numbers may have been passed by events that are delivered now.
            await transaction.execute(
                insert(outbox).from_select([column.name for column in to_all], everybody)
            )
            await transaction.execute(insert(deliveries).from_select(names, one))
            return (await transaction.execute(delete(dead_letters).where(chosen))).rowcount

    async def counts(self, limit: int = 1_000_000) -> Mapping[str, Counts]:
        found: dict[str, Counts] = {}
        for subscriber, count, failed, is_dead, oldest in await self.database.fetch_slow(COUNTS, n=limit):
            before = found.get(subscriber, Counts())
            if is_dead:
                found[subscriber] = replace(before, dead=count)
            else:
                found[subscriber] = replace(
                    before, pending=count - failed, retrying=int(failed), oldest=EventId(oldest)
                )
        return found

    async def waiting(self) -> int:
        return int((await self.database.fetch(WAITING))[0][0])


@dataclass(frozen=True, slots=True)
class SqliteOutboxQueue(_SqlOutboxQueue):
    monotonic: Callable[[], float]
    leases: OwnLeases = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "leases", OwnLeases(self.monotonic))

    async def claim_events(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        return await self._claim(EVENTS, limit, lease)

    async def claim_remaining(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        return await self._claim(REMAINING, limit, lease)

    async def _claim(self, statements: Statements, limit: int, lease: timedelta) -> Sequence[Delivery]:
        rows = await self.database.fetch(statements.due, n=limit + len(self.leases))
        if not rows:
            return []
        # Nothing is waited for from here on, so that no other claim comes in between.
        taken, number = self.leases.take(map(_delivery, rows), limit, lease)
        return [replace(delivery, lease=number) for delivery in taken]

    async def settle(self, settled: Sequence[Settled]) -> None:
        # Without a number: on SQLite no row says that it is leased.
        mine = [
            Settled(replace(one, lease=0), remaining) for one, remaining in settled if self.leases.owns(one)
        ]
        if mine:
            await self._settle(mine)
        self.leases.end(delivery for delivery, _ in settled)

    async def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> Sequence[Delivery]:
        return self.leases.renew(deliveries, lease)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        self.leases.end(deliveries)


@dataclass(frozen=True, slots=True)
class PostgresOutboxQueue(_SqlOutboxQueue):
    async def claim_events(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        return await self._claim(EVENTS, limit, lease)

    async def claim_remaining(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        return await self._claim(REMAINING, limit, lease)

    async def _claim(self, statements: Statements, limit: int, lease: timedelta) -> Sequence[Delivery]:
        if not await self.database.fetch(statements.is_due):  # a look costs less than a transaction
            return []
        async with self.database.begin() as transaction:
            await transaction.execute(text(f"SELECT pg_advisory_xact_lock({_CLAIM_LOCK})"))
            rows = (await transaction.execute(statements.claim, {"n": limit})).all()
            until = await self._until(transaction, lease)
            claimed = [replace(_delivery(row), lease=until) for row in rows]
            if claimed:
                ends = [_place(one) | {"until": until} for one in claimed]
                await transaction.execute(statements.lease, ends)
        return claimed

    @staticmethod
    async def _until(transaction: Transaction, lease: timedelta) -> int:
        now: int = (await transaction.execute(select(now_ms()))).scalar_one()
        return now + lease // _MS

    async def settle(self, settled: Sequence[Settled]) -> None:
        await self._settle(settled)

    async def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> Sequence[Delivery]:
        async with self.database.begin() as transaction:
            until = await self._until(transaction, lease)
            kept: list[Delivery] = []
            for delivery in deliveries:
                longer = await transaction.execute(_of(delivery).renew, _key(delivery) | {"until": until})
                if longer.rowcount:
                    kept.append(replace(delivery, lease=until))
        return kept

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        async with self.database.begin() as transaction:
            for delivery in deliveries:
                await transaction.execute(_of(delivery).release, _key(delivery))


def _of(delivery: Delivery) -> Statements:
    return REMAINING if delivery.subscriber else EVENTS


def _place(delivery: Delivery) -> _Key:
    place: _Key = {"which": delivery.seq}
    return place | {"whose": delivery.subscriber} if delivery.subscriber else place


def _key(delivery: Delivery) -> _Key:
    return _place(delivery) | {"lease": delivery.lease}


def _new(remaining: Remaining) -> dict[str, Any]:
    new = {"after_ms": remaining.after // _MS, "new_attempts": remaining.attempts}
    return (
        new | {"new_continue_from": remaining.continue_from, "new_error": remaining.error}
        if remaining.subscriber
        else new
    )


def _delivery(row: Iterable[Any]) -> Delivery:
    seq, event_id, aggregate, kind, data, trace, subscriber, attempts, continue_from, behind = row
    waiting = frozenset(behind.split(",")) if behind else frozenset[str]()
    event = events.load(kind, data)
    return Delivery(
        seq,
        subscriber,
        event_id,
        aggregate,
        kind,
        event,
        attempts,
        continue_from,
        waiting,
        traceparent=trace,
    )
