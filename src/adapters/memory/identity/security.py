"""Security events in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.store import Store
from application.identity.security import SecurityRecord
from domain.shared import UserId

_TABLE = "security_events"


@dataclass(frozen=True, slots=True)
class MemorySecurityRecords:
    store: Store

    async def add(self, records: Sequence[SecurityRecord]) -> None:
        async with self.store.begin() as rows:
            for record in records:
                rows.put(_TABLE, self.store.next_number(), record)

    async def of_user(self, user_id: UserId, limit: int) -> Sequence[SecurityRecord]:
        theirs = [record for record in self.store.all(_TABLE) if record.user_id == user_id]
        return theirs[: -limit - 1 : -1]

    async def anonymize(self, user_id: UserId) -> None:
        async with self.store.begin() as rows:
            for key, record in rows.items(_TABLE):
                if record.user_id == user_id:
                    rows.put(_TABLE, key, replace(record, user_id=None, session_id=None))

    async def purge(self, before: datetime) -> int:
        async with self.store.begin() as rows:
            old = [key for key, record in rows.items(_TABLE) if record.at < before]
            for key in old:
                rows.delete(_TABLE, key)
            for key, record in rows.items(_TABLE):
                if record.user_id is not None and rows.get("accounts", record.user_id) is None:
                    rows.put(_TABLE, key, replace(record, user_id=None, session_id=None))
        return len(old)
