"""The table of signing keys."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, insert, select, text

from adapters.sql.database import Database
from adapters.sql.identity.tables import signing_keys
from adapters.sql.metadata import instant
from adapters.sql.statements import Prepared
from adapters.sql.transactions import Transaction
from application.identity.ports import StoredKey

_all = select(
    signing_keys.c.kid,
    signing_keys.c.private_sealed,
    signing_keys.c.public,
    signing_keys.c.made_at,
    signing_keys.c.state,
    signing_keys.c.retired_at,
)
_read = Prepared(_all)


@dataclass(frozen=True, slots=True)
class SqlKeys:
    transaction: Transaction

    async def all(self) -> Sequence[StoredKey]:
        return [StoredKey(*row) for row in await self.transaction.execute(_all)]

    async def put(self, key: StoredKey) -> None:
        await self.remove(key.kid)
        await self.transaction.execute(insert(signing_keys), asdict(key))

    async def remove(self, kid: str) -> None:
        await self.transaction.execute(delete(signing_keys).where(signing_keys.c.kid == kid))


@dataclass(frozen=True, slots=True)
class SqlKeyStore:
    database: Database

    async def keys(self) -> Sequence[StoredKey]:
        return [_key(*row) for row in await self.database.fetch(_read)]

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[SqlKeys]:
        async with self.database.begin() as transaction:
            if not self.database.is_sqlite:  # with SQLite there is one writing transaction at a time anyway
                await transaction.execute(text("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"))
            yield SqlKeys(transaction)


def _key(
    kid: str, private: bytes, public: bytes, made_at: int, state: Any, retired_at: int | None
) -> StoredKey:
    retired = None if retired_at is None else instant(retired_at)
    return StoredKey(kid, private, public, instant(made_at), state, retired)
