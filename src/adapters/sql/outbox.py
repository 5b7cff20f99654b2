"""The outbox, what is left of deliveries, the dead letters and the inbox."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Column, Index, Integer, String, Table, Text, insert, select
from sqlalchemy.dialects import postgresql

from adapters import events
from adapters.sql.metadata import Id, metadata
from adapters.sql.transactions import Transaction
from adapters.trace_context import TRACEPARENT_LENGTH, traceparent
from application.shared.events import Event
from application.shared.ports import NewId
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
    Column("traceparent", String(TRACEPARENT_LENGTH)),
    Index("ix_outbox_aggregate_seq", "aggregate", "seq"),
    sqlite_autoincrement=True,  # a number is never given twice, also when the table was empty
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False),  # of the event, when it was in the outbox
    Column("subscriber", String(64), primary_key=True),
    Column("event_id", Id, nullable=False),
    Column("aggregate", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("data", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Id, nullable=False),
    Column("leased_until", Id, nullable=False, server_default="0"),
    Column("continue_from", String(64)),
    Column("error", Text, nullable=False),
    Column("traceparent", String(TRACEPARENT_LENGTH)),
    Index("ix_deliveries_aggregate_subscriber_seq", "aggregate", "subscriber", "seq"),
    Index("ix_deliveries_due_at", "due_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False),
    Column("subscriber", String(64), primary_key=True),  # empty: every one that takes the event
    Column("event_id", Id, nullable=False),
    Column("aggregate", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("data", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("continue_from", String(64)),
    Column("error", Text, nullable=False),
    Column("traceparent", String(TRACEPARENT_LENGTH)),
)

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", Id, primary_key=True),  # first, so that old marks are found by it
    Column("subscriber", String(64), primary_key=True),
    sqlite_with_rowid=False,
)


def insert_new(table: Table) -> postgresql.Insert:
    """`INSERT … ON CONFLICT DO NOTHING`; the rowcount tells whether the row is new. PostgreSQL's
    construct, which compiles for SQLite too: the words are the same."""
    return postgresql.insert(table).on_conflict_do_nothing()


_add = insert(outbox).inline()  # nobody needs the number
_mark = insert_new(inbox)


@dataclass(frozen=True, slots=True)
class SqlOutbox:
    transaction: Transaction
    new_id: NewId

    async def add(self, event: Event) -> None:
        row: dict[str, object] = {
            "event_id": self.new_id(),
            "aggregate": event.aggregate,
            "kind": type(event).__name__,
            "data": events.dump(event),
        }
        if trace := traceparent.get():  # otherwise the statement does not name the column
            row["traceparent"] = trace
        await self.transaction.execute(_add, row)
        self.transaction.has_events = True


@dataclass(frozen=True, slots=True)
class SqlInbox:
    transaction: Transaction

    async def first_time(self, subscriber: str, event: EventId) -> bool:
        mark = {"subscriber": subscriber, "event_id": event}
        return (await self.transaction.execute(_mark, mark)).rowcount == 1

    async def handled(self, subscriber: str, events: Collection[EventId]) -> frozenset[EventId]:
        asked, found = list(events), set[EventId]()
        for start in range(0, len(asked), 500):  # a database takes no more than some thousand parameters
            some = inbox.c.event_id.in_(asked[start : start + 500])
            marks = select(inbox.c.event_id).where(inbox.c.subscriber == subscriber, some)
            found.update((await self.transaction.execute(marks)).scalars())
        return frozenset(found)
