"""Security events in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from adapters.memory.store import Store
from application.identity.security import SecurityEvent
from domain.shared import UserId

_TABLE = "security_events"


@dataclass(frozen=True, slots=True)
class MemorySecurityEvents:
    store: Store

    async def add(self, events: Sequence[SecurityEvent]) -> None:
        async with self.store.begin() as rows:
            for event in events:
                rows.put(_TABLE, self.store.next_number(), event)

    async def of_user(self, user_id: UserId, limit: int) -> Sequence[SecurityEvent]:
        theirs = [event for event in self.store.all(_TABLE) if event.user_id == user_id]
        return theirs[: -limit - 1 : -1]

    async def anonymize(self, user_id: UserId) -> None:
        async with self.store.begin() as rows:
            for key, event in rows.items(_TABLE):
                if event.user_id == user_id:
                    rows.put(_TABLE, key, replace(event, user_id=None, session_id=None))

    async def purge(self, before: datetime) -> int:
        async with self.store.begin() as rows:
            old = [key for key, event in rows.items(_TABLE) if event.at < before]
            for key in old:
                rows.delete(_TABLE, key)
            for key, event in rows.items(_TABLE):
                if event.user_id is not None and rows.get("accounts", event.user_id) is None:
                    rows.put(_TABLE, key, replace(event, user_id=None, session_id=None))
        return len(old)
