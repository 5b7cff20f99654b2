"""Signing keys in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.memory.store import Draft, Store
from application.identity.ports import StoredKey


@dataclass(frozen=True, slots=True)
class MemoryKeys:
    rows: Draft

    async def all(self) -> Sequence[StoredKey]:
        return list(self.rows.all("signing_keys"))

    async def put(self, key: StoredKey) -> None:
        self.rows.put("signing_keys", key.kid, key)

    async def remove(self, kid: str) -> None:
        self.rows.delete("signing_keys", kid)


@dataclass(frozen=True, slots=True)
class MemoryKeyStore:
    store: Store

    async def keys(self) -> Sequence[StoredKey]:
        return list(self.store.all("signing_keys"))

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[MemoryKeys]:
        async with self.store.begin() as rows:
            yield MemoryKeys(rows)
