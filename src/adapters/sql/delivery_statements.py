"""The statements of the queue of deliveries: the same for events in the outbox and for what remains of them."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)

from adapters.sql.metadata import Id, comma_separated, now_ms
from adapters.sql.outbox import dead_letters, deliveries, outbox
from adapters.sql.statements import Prepared
from application.shared.deliveries import NOT_DISTRIBUTED

EVENT_COLUMNS = ("seq", "event_id", "aggregate", "kind", "data", "traceparent")


def _free(table: Any) -> ColumnElement[bool]:
    return and_(table.c.due_at <= now_ms(), table.c.leased_until <= now_ms())


_earlier = outbox.alias("earlier")
_behind = (
    select(comma_separated(deliveries.c.subscriber))
    .where(deliveries.c.aggregate == outbox.c.aggregate)
    .scalar_subquery()
)
_due_events = (
    select(
        *(outbox.c[name] for name in EVENT_COLUMNS),
        literal(NOT_DISTRIBUTED),
        outbox.c.attempts,
        literal(None),
        _behind,
    )
    .where(
        _free(outbox),
        ~exists().where(
            _earlier.c.aggregate == outbox.c.aggregate,
            _earlier.c.seq < outbox.c.seq,
            or_(_earlier.c.due_at > now_ms(), _earlier.c.leased_until > now_ms()),
        ),
    )
    .order_by(outbox.c.seq)
    .limit(bindparam("n", type_=Integer))
)
_before = deliveries.alias("before")
_due_remaining = (
    select(
        *(deliveries.c[name] for name in (*EVENT_COLUMNS, "subscriber", "attempts", "continue_from")),
        literal(None),
    )
    .where(
        _free(deliveries),
        ~exists().where(
            _before.c.aggregate == deliveries.c.aggregate,
            _before.c.subscriber == deliveries.c.subscriber,
            _before.c.seq < deliveries.c.seq,
        ),
    )
    .order_by(deliveries.c.due_at, deliveries.c.seq)
    .limit(bindparam("n", type_=Integer))
)


def _row(table: Table) -> ColumnElement[bool]:
    seq = table.c.seq == bindparam("which", type_=Id)
    return seq if table is outbox else and_(seq, table.c.subscriber == bindparam("whose"))


class Statements:
    """Of one table. A delivery whose lease was lost has no row: the end of a lease tells it from every other."""

    def __init__(self, table: Table, due: Any, *members: str) -> None:
        self.claim, self.due = due, Prepared(due)
        self.is_due = Prepared(select(literal(1)).where(exists().where(_free(table))))
        until = bindparam("until", type_=Id)
        self.lease = update(table).where(_row(table)).values(leased_until=until)
        mine = and_(_row(table), table.c.leased_until == bindparam("lease", type_=Id))
        self.renew = update(table).where(mine).values(leased_until=until)
        self.release = update(table).where(mine).values(leased_until=0)
        self.remove = delete(table).where(mine)
        self.lock = select(table).where(mine).with_for_update()
        later: dict[str, Any] = {name: bindparam(f"new_{name}") for name in members}
        later["due_at"] = now_ms() + bindparam("after_ms", type_=Id)
        self.again = update(table).where(mine).values(leased_until=0, **later)


EVENTS = Statements(outbox, _due_events, "attempts")
REMAINING = Statements(deliveries, _due_remaining, "attempts", "continue_from", "error")


def _counted(table: Table, subscriber: Any, error: Any, dead: int) -> Any:
    """Subscriber, number, failures, whether they are dead, oldest event: of the first rows of the table."""
    first = (
        select(subscriber.label("subscriber"), case((error, 1), else_=0).label("failed"), table.c.event_id)
        .order_by(table.c.seq)
        .limit(bindparam("n", type_=Integer))
        .subquery()
    )
    c = first.c
    return select(
        c.subscriber, func.count(), func.sum(c.failed), literal(dead), func.min(c.event_id)
    ).group_by(c.subscriber)


COUNTS = Prepared(
    union_all(
        _counted(outbox, literal(NOT_DISTRIBUTED), outbox.c.attempts > 0, 0),
        _counted(deliveries, deliveries.c.subscriber, deliveries.c.error != "", 0),
        _counted(dead_letters, dead_letters.c.subscriber, true(), 1),
    )
)
WAITING = Prepared(
    select(
        select(func.count()).select_from(outbox).scalar_subquery()
        + select(func.count()).select_from(deliveries).scalar_subquery()
    )
)
