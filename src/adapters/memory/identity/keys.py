"""Signing keys in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.memory.store import Store
from application.identity.ports import StoredKey


@dataclass(frozen=True, slots=True)
class MemoryKeyStore:
    store: Store

    async def keys(self) -> Sequence[StoredKey]:
        return list(self.store.all("signing_keys"))

    async def add_first(self, key: StoredKey) -> None:
        async with self.store.begin() as rows:
            if not any(stored.active for stored in rows.all("signing_keys")):
                rows.put("signing_keys", key.kid, key)
