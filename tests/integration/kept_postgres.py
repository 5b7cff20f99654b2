"""The random walk of `tests/unit/kept_walk.py` on PostgreSQL, with a second process that writes at any time."""

import random
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from adapters.sql.database import Database
from adapters.sql.statements import Prepared
from tests.unit.kept_walk import HOME, READERS, Walk, call
from tests.unit.kept_writes import WRITES, Write

_TRANSLATED = (
    (r"max\(coalesce\(max\(r.id\), 0\), max\(p.id\)\)", "greatest(coalesce(max(r.id), 0), p.id)"),
    (r":(user|id|post|ghost)\b", r"CAST(:\1 AS bigint)"),
    (r":tag\b", "CAST(:tag AS text)"),
    (
        r"((?:deleted|private) = )(\d)(?! -)",
        lambda found: found[1] + ("true" if found[2] == "1" else "false"),
    ),
    (r"private = 1 - private", "private = NOT private"),
    (r", 1, 1\b", ", true, 1"),
    (r"^INSERT OR IGNORE (.*)$", r"INSERT \1 ON CONFLICT DO NOTHING"),
    (r"\?", "CAST(:value AS bigint)"),
)
"""What SQLite writes differently."""


def on_postgres(statement: str) -> str:
    for pattern, replacement in _TRANSLATED:
        statement = re.sub(pattern, replacement, statement)
    return statement


class PostgresWalk(Walk):
    elsewhere: Database
    """As another process has it."""

    async def sql(self, statement: str, **values: Any) -> None:
        await super().sql(on_postgres(statement), **values)

    async def has_no_events(self) -> bool:
        for table in ("outbox", "deliveries"):
            if await self.elsewhere.fetch(Prepared(text(f"SELECT 1 FROM {table} LIMIT 1"))):
                return False
        return True

    async def foreign(self, statement: str, *values: Any, seconds: float = 0) -> None:
        del seconds
        async with self.elsewhere.begin() as transaction:
            await transaction.execute(text(on_postgres(statement)), {"value": values[0]} if values else None)


def _elsewhere(walk: Walk) -> Database:
    assert isinstance(walk, PostgresWalk)
    return walk.elsewhere


_COUNT = text(
    "UPDATE posts SET reposts = reposts + 1 WHERE id IN (SELECT id FROM posts ORDER BY id DESC LIMIT 9)"
)
_LIKE = text(
    "INSERT INTO likes (post_id, user_id, id) SELECT p.id, CAST(:user AS bigint), CAST(:id AS bigint)"
    " FROM posts p WHERE p.id = CAST(:post AS bigint) ON CONFLICT DO NOTHING"
)
_RENAME = text("UPDATE accounts SET display_name = :name WHERE id = CAST(:user AS bigint)")


async def open_elsewhere(walk: Walk, chosen: random.Random) -> None:
    """A transaction of another process stays open over reads and commits of others, and commits last."""
    user = chosen.choice(walk.users)
    async with _elsewhere(walk).begin() as transaction:
        await transaction.execute(_RENAME, {"user": user, "name": f"n{chosen.randrange(999)}"})
        await transaction.execute(
            _LIKE, {"user": user, "post": chosen.choice(walk.posts[-9:]), "id": chosen.getrandbits(40)}
        )
        await walk.compare_all(chosen)
        await walk.do(chosen.randrange(READERS), "PUT", f"/posts/{walk.posts[-1]}/bookmark")
        await walk.compare_all(chosen)
    await walk.compare_all(chosen)


async def commit_while_reading(walk: Walk, chosen: random.Random) -> None:
    """Another process commits after one of the reads of a response has seen the rows, and before the response is kept. Either
    this process learns of the commit at once, or only with the next request."""
    database: Any = walk.container.database()
    for at in range(1, 8):
        await walk.foreign("UPDATE posts SET likes = likes + 1")  # so that nothing is kept
        reader, fetch, left = chosen.randrange(READERS), database._reader.fetch, at

        async def fetched(statement: Any, params: Any, fetch: Any = fetch) -> Any:
            nonlocal left
            rows = await fetch(statement, params)
            left -= 1
            if left == 0:
                await _change(walk, chosen)
                if chosen.random() < 0.7:
                    await _learn(walk)
            return rows

        database._reader.fetch = fetched
        try:
            await call(walk.kept, "GET", HOME, walk.tokens[reader])
        finally:
            database._reader.fetch = fetch
        await walk.compare(reader, HOME)


async def _change(walk: Walk, chosen: random.Random) -> None:
    async with _elsewhere(walk).begin() as transaction:
        await transaction.execute(_COUNT)
        for user in chosen.sample(walk.users, 4):
            await transaction.execute(_RENAME, {"user": user, "name": f"n{chosen.randrange(9999)}"})


async def _learn(walk: Walk) -> None:
    catch_up = walk.container.readings().catch_up
    assert catch_up is not None
    assert await catch_up()


POSTGRES_WRITES: Mapping[str, Write] = {
    **{name: write for name, write in WRITES.items() if name != "foreign behind"},  # of threads on SQLite
    "open elsewhere": open_elsewhere,
    "commit while reading": commit_while_reading,
}
