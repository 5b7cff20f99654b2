"""Signing keys as they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from adapters.sql.database import Database
from adapters.sql.identity.tables import signing_keys
from adapters.sql.outbox import insert_new
from application.identity.ports import StoredKey


@dataclass(frozen=True, slots=True)
class SqlKeyStore:
    database: Database

    async def keys(self) -> Sequence[StoredKey]:
        async with self.database.begin() as connection:
            rows = (await connection.execute(select(signing_keys))).all()
        return [
            StoredKey(row.kid, row.private_sealed, row.public, row.made_at, row.state == "active")
            for row in rows
        ]

    async def add_first(self, key: StoredKey) -> None:
        row = {
            "kid": key.kid,
            "private_sealed": key.private_sealed,
            "public": key.public,
            "made_at": key.made_at,
            "state": "active" if key.active else "retiring",
        }
        async with self.database.begin() as connection:
            await connection.execute(insert_new(signing_keys), row)
