"""The outbox, its dead letters and the inbox."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Executable,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters import events
from adapters.sql.database import Database, Prepared
from adapters.sql.metadata import Id, metadata, now_ms
from application.shared.events import Event
from application.shared.ports import Delivery, NewId
from domain.shared import EventId

outbox = Table(
    "outbox",
    metadata,
    # Given by the database when the row is written, hence under the lock of the aggregate's row:
    # among the events of one aggregate it orders by commit.
    Column("seq", Id, primary_key=True, autoincrement=True),
    Column("event_id", Id, nullable=False),
    Column("aggregate", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("data", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", Id, nullable=False, server_default="0"),
    Column("leased_until", Id, nullable=False, server_default="0"),
    Index("ix_outbox_aggregate_seq", "aggregate", "seq"),
    sqlite_autoincrement=True,  # a number is never given twice, also when the table was empty
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False),
    Column("event_id", Id, nullable=False),
    Column("aggregate", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("data", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", Id, primary_key=True),  # first, so that old marks are found by it
    Column("reaction", String(64), primary_key=True),
    sqlite_with_rowid=False,
)

_CLAIM_LOCK = 0x7761676F
"""Claims of several relays go one after the other: a claim must see the leases of the one before."""

_is_waiting = Prepared(select(func.count()).select_from(outbox))
_is_due = Prepared(
    select(literal(1)).where(exists().where(outbox.c.due_at <= now_ms(), outbox.c.leased_until <= now_ms()))
)
_dead = Prepared(select(dead_letters).order_by(dead_letters.c.seq).limit(bindparam("n", type_=Integer)))


def insert_new(table: Table) -> postgresql.Insert:
    """`INSERT … ON CONFLICT DO NOTHING`; the rowcount tells whether the row is new. PostgreSQL's
    construct, which compiles for SQLite too: the words are the same."""
    return postgresql.insert(table).on_conflict_do_nothing()


_add = insert(outbox)
_mark = insert_new(inbox)
_earlier = outbox.alias("earlier")
_claim = (
    select(outbox)
    .where(
        outbox.c.due_at <= now_ms(),
        outbox.c.leased_until <= now_ms(),
        ~exists().where(
            _earlier.c.aggregate == outbox.c.aggregate,
            _earlier.c.seq < outbox.c.seq,
            or_(_earlier.c.due_at > now_ms(), _earlier.c.leased_until > now_ms()),
        ),
    )
    .order_by(outbox.c.seq)
    .limit(bindparam("n", type_=Integer))
)
_now = select(now_ms())
_lease = (
    update(outbox)
    .where(outbox.c.seq == bindparam("which", type_=Id))
    .values(leased_until=bindparam("until", type_=Id))
)
# The end of the lease tells it from every other: whoever lost it finds no row.
_mine = and_(
    outbox.c.seq == bindparam("which", type_=Id), outbox.c.leased_until == bindparam("lease", type_=Id)
)
_renew = update(outbox).where(_mine).values(leased_until=bindparam("until", type_=Id))
_retry = (
    update(outbox)
    .where(_mine)
    .values(
        attempts=outbox.c.attempts + bindparam("attempts_more", type_=Integer),
        due_at=now_ms() + bindparam("after_ms", type_=Id),
        leased_until=0,
    )
)
_release = update(outbox).where(_mine).values(leased_until=0)
_remove = delete(outbox).where(_mine)


@dataclass(frozen=True, slots=True)
class SqlOutbox:
    connection: AsyncConnection
    new_id: NewId

    async def add(self, event: Event) -> None:
        await self.connection.execute(
            _add,
            {
                "event_id": self.new_id(),
                "aggregate": event.aggregate,
                "kind": type(event).__name__,
                "data": events.dump(event),
            },
        )


@dataclass(frozen=True, slots=True)
class SqlInbox:
    connection: AsyncConnection

    async def first_time(self, reaction: str, event: EventId) -> bool:
        return (await self.connection.execute(_mark, {"reaction": reaction, "event_id": event})).rowcount == 1

    async def handled(self, reaction: str, events: Collection[EventId]) -> frozenset[EventId]:
        asked, found = list(events), set[EventId]()
        for start in range(0, len(asked), 500):  # a database takes no more than some thousand parameters
            some = inbox.c.event_id.in_(asked[start : start + 500])
            marks = select(inbox.c.event_id).where(inbox.c.reaction == reaction, some)
            found.update((await self.connection.execute(marks)).scalars())
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class SqlOutboxQueue:
    database: Database

    async def claim(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        if not await self.database.fetch(_is_due):  # a look costs less than a transaction
            return []
        async with self.database.begin() as connection:
            if not self.database.is_sqlite:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_CLAIM_LOCK})"))
            rows = (await connection.execute(_claim, {"n": limit})).all()
            now = (await connection.execute(_now)).scalar_one()
            until = now + lease // timedelta(milliseconds=1)
            if rows:
                await connection.execute(_lease, [{"which": row.seq, "until": until} for row in rows])
        return [_delivery(row, until) for row in rows]

    async def done(self, deliveries: Sequence[Delivery]) -> None:
        await self._each(_remove, deliveries)

    async def release(self, deliveries: Sequence[Delivery]) -> None:
        await self._each(_release, deliveries)

    async def free_all(self) -> None:
        """End all leases. For the only process of a database, when it starts."""
        async with self.database.begin() as connection:
            await connection.execute(update(outbox).values(leased_until=0))

    async def _each(self, statement: Executable, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            async with self.database.begin() as connection:
                await connection.execute(statement, [_this(delivery) for delivery in deliveries])

    async def renew(self, deliveries: Sequence[Delivery], lease: timedelta) -> Sequence[Delivery]:
        if not deliveries:
            return []
        async with self.database.begin() as connection:
            until = (await connection.execute(_now)).scalar_one() + lease // timedelta(milliseconds=1)
            return [
                replace(delivery, lease=until)
                for delivery in deliveries
                if (await connection.execute(_renew, _this(delivery) | {"until": until})).rowcount
            ]

    async def retry(self, delivery: Delivery, after: timedelta, *, counted: bool = True) -> None:
        changes = {"after_ms": after // timedelta(milliseconds=1), "attempts_more": int(counted)}
        async with self.database.begin() as connection:
            await connection.execute(_retry, _this(delivery) | changes)

    async def bury(self, delivery: Delivery, error: str) -> None:
        members = ("seq", "event_id", "aggregate", "kind", "data")
        row = select(*(outbox.c[name] for name in members), outbox.c.attempts + 1, literal(error))
        async with self.database.begin() as connection:
            bury = insert(dead_letters).from_select([*members, "attempts", "error"], row.where(_mine))
            await connection.execute(bury, _this(delivery))
            await connection.execute(_remove, _this(delivery))

    async def dead(self, limit: int) -> Sequence[tuple[Delivery, str]]:
        rows = await self.database.fetch(_dead, n=limit)
        return [
            (Delivery(seq, event_id, aggregate, kind, events.load(kind, data), attempts), error)
            for seq, event_id, aggregate, kind, data, attempts, error in rows
        ]

    async def replay(self, seqs: Sequence[int]) -> int:
        members = ("event_id", "aggregate", "kind", "data")
        chosen = dead_letters.c.seq.in_(seqs)
        row = select(*(dead_letters.c[name] for name in members)).where(chosen).order_by(dead_letters.c.seq)
        async with self.database.begin() as connection:
            await connection.execute(insert(outbox).from_select(members, row))
            return (await connection.execute(delete(dead_letters).where(chosen))).rowcount

    async def waiting(self) -> int:
        return int((await self.database.fetch(_is_waiting))[0][0])


def _this(delivery: Delivery) -> dict[str, int]:
    return {"which": delivery.seq, "lease": delivery.lease}


def _delivery(row: Row[Any], lease: int) -> Delivery:
    event = events.load(row.kind, row.data)
    return Delivery(row.seq, row.event_id, row.aggregate, row.kind, event, row.attempts, lease)
