"""Idempotency keys, stored in the transaction of the effect that they protect."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Index, String, Table, Text, bindparam, delete, select, text, update

from adapters.sql.errors import is_lock_not_available
from adapters.sql.metadata import Id, metadata, now_ms
from adapters.sql.outbox import insert_new
from adapters.sql.transactions import Transaction
from application.shared.errors import KeyInFlight, KeyReused
from application.shared.ports import IdempotentRequest, Record
from domain.shared import SessionId, UserId

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("outcome", Text),
    Column("claimed_at", Id, nullable=False),
    Column("owner", Id),  # the user to whom the outcome belongs
    Column("session_id", Id),  # the session whose credentials the outcome contains
    Index("ix_idempotency_keys_claimed_at", "claimed_at"),
    Index(
        "ix_idempotency_keys_owner",
        "owner",
        sqlite_where=text("owner IS NOT NULL"),
        postgresql_where=text("owner IS NOT NULL"),
    ),
    Index(
        "ix_idempotency_keys_session_id",
        "session_id",
        sqlite_where=text("session_id IS NOT NULL"),
        postgresql_where=text("session_id IS NOT NULL"),
    ),
)

_claim = insert_new(idempotency_keys).values(
    scope=bindparam("s"), key=bindparam("k"), fingerprint=bindparam("f"), claimed_at=now_ms()
)
_this = (idempotency_keys.c.scope == bindparam("s")) & (idempotency_keys.c.key == bindparam("k"))
_earlier = select(idempotency_keys.c.fingerprint, idempotency_keys.c.outcome).where(_this)
_finish = (
    update(idempotency_keys)
    .where(_this)
    .values(outcome=bindparam("result"), owner=bindparam("of"), session_id=bindparam("session"))
)
_wipe = delete(idempotency_keys).where(idempotency_keys.c.owner == bindparam("of", type_=Id))


@dataclass(frozen=True, slots=True)
class SqlIdempotency:
    """The row is the claim. It is inserted first in the transaction of the effect, so a second attempt waits at the unique
    key until the first has committed or is rolled back, also after a crash."""

    transaction: Transaction

    async def begin(self, idempotent_request: IdempotentRequest) -> Record | None:
        claim = {
            "s": idempotent_request.scope,
            "k": idempotent_request.key,
            "f": idempotent_request.fingerprint,
        }
        try:
            if (await self.transaction.execute(_claim, claim)).rowcount == 1:
                return None
        except Exception as error:
            if not is_lock_not_available(error):
                raise
            raise KeyInFlight("the first request with this Idempotency-Key is still running") from error
        earlier = (
            await self.transaction.execute(
                _earlier, {"s": idempotent_request.scope, "k": idempotent_request.key}
            )
        ).first()
        if earlier is None:  # it expired between the two statements
            raise KeyInFlight("this Idempotency-Key has just expired; try again")
        fingerprint, outcome = earlier
        if fingerprint != idempotent_request.fingerprint:
            raise KeyReused
        return _loaded(outcome)

    async def finish(
        self,
        idempotent_request: IdempotentRequest,
        outcome: Record,
        owner: UserId | None = None,
        session: SessionId | None = None,
    ) -> None:
        stored = {
            "result": json.dumps(dict(outcome)),
            "of": owner or idempotent_request.owner,
            "session": session,
        }
        await self.transaction.execute(
            _finish, {"s": idempotent_request.scope, "k": idempotent_request.key, **stored}
        )

    async def wipe(self, user_id: UserId) -> None:
        await self.transaction.execute(_wipe, {"of": user_id})

    async def wipe_credentials(self, sessions: Collection[SessionId]) -> None:
        if sessions:
            theirs = idempotency_keys.c.session_id.in_(list(sessions))
            await self.transaction.execute(delete(idempotency_keys).where(theirs))


def _loaded(outcome: str) -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(outcome)
    return loaded
