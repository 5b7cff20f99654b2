"""The table of security events."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import (
    Column,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    exists,
    insert,
    null,
    select,
    text,
    update,
)

from adapters.sql.database import Database
from adapters.sql.identity.tables import accounts
from adapters.sql.metadata import Id, Instant, instant, metadata
from adapters.sql.statements import Prepared
from application.identity.security import SecurityRecord
from domain.shared import SessionId, UserId

security_events = Table(
    "security_events",
    metadata,
    Column("number", Id, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("user_id", Id),  # NULL if the record is about no account, or the account was deleted
    Column("session_id", Id),
    Column("network", String(50), nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("count", Integer, nullable=False),
    Index("ix_security_events_at", "at"),
    Index(
        "ix_security_events_user_id_number",
        "user_id",
        "number",
        sqlite_where=text("user_id IS NOT NULL"),
        postgresql_where=text("user_id IS NOT NULL"),
    ),
)
BATCH = 500
"""Rows that are changed in one transaction."""

_columns = [column for column in security_events.c if column.name != "number"]
_of_user = Prepared(
    select(*_columns)
    .where(security_events.c.user_id == bindparam("user_id", type_=Id))
    .order_by(security_events.c.number.desc())
    .limit(bindparam("n", type_=Integer))
)
_anonymous = {"user_id": null(), "session_id": null()}


@dataclass(frozen=True, slots=True)
class SqlSecurityRecords:
    database: Database

    async def add(self, records: Sequence[SecurityRecord]) -> None:
        async with self.database.begin() as transaction:
            await transaction.execute(insert(security_events), [asdict(record) for record in records])

    async def of_user(self, user_id: UserId, limit: int) -> Sequence[SecurityRecord]:
        rows = await self.database.fetch(_of_user, user_id=user_id, n=limit)
        return [
            SecurityRecord(
                instant(at), kind, outcome, reason, UserId(user), session and SessionId(session), *rest
            )
            for at, kind, outcome, reason, user, session, *rest in rows
        ]

    async def anonymize(self, user_id: UserId) -> None:
        of_user = update(security_events).where(security_events.c.user_id == user_id).values(_anonymous)
        async with self.database.begin() as transaction:
            await transaction.execute(of_user)

    async def purge(self, before: datetime) -> int:
        number = security_events.c.number
        old = select(number).where(security_events.c.at < before).limit(BATCH)
        deleted_account = ~exists().where(accounts.c.id == security_events.c.user_id)
        of_deleted = (
            select(number).where(security_events.c.user_id.is_not(None), deleted_account).limit(BATCH)
        )
        deleted = 0
        while True:
            async with self.database.begin() as transaction:
                some = (await transaction.execute(delete(security_events).where(number.in_(old)))).rowcount
            deleted += some
            if some < BATCH:
                break
        while True:
            async with self.database.begin() as transaction:
                forgotten = update(security_events).where(number.in_(of_deleted)).values(_anonymous)
                if (await transaction.execute(forgotten)).rowcount < BATCH:
                    return deleted
