"""Fills a database with rows as the adapters write them, faster than the API could."""

import asyncio
import random
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import asyncpg

from bench.community import NOW_MS, TEXT, Table, addresses, user_id

USERS = 1_000
ACCOUNT = (
    "id",
    "username",
    "email_index",
    "email_sealed",
    "password_hash",
    "display_name",
    "bio",
    "posts",
    "version",
)
POST = (
    "id", "author_id", "reply_to", "text", "visibility", "content_warning", "language",
    "mentioned", "edited_at", "deleted", "comments", "likes", "version",
)  # fmt: skip


def accounts() -> Iterator[tuple[Any, ...]]:
    for number, (index, sealed) in enumerate(addresses(USERS)):
        yield user_id(number), f"bench{number}", index, sealed, "", f"Bench {number}", "", 0, 1


def post_ids(count: int) -> list[int]:
    return [(NOW_MS + number) << 16 for number in range(count)]


def posts(count: int, seed: int = 1) -> Iterator[tuple[Any, ...]]:
    """Authors have a skewed distribution: a few write much."""
    chance = random.Random(seed)
    for id_ in post_ids(count):
        author = user_id(int(USERS * chance.random() ** 2))
        text = TEXT * chance.randint(1, 3)
        yield (
            id_,
            author,
            None,
            text.strip(),
            "public",
            "",
            "en",
            "[]",
            None,
            False,
            0,
            chance.randint(0, 50),
            1,
        )


def tables(count: int) -> Iterator[Table]:
    yield "accounts", ACCOUNT, accounts()
    yield "posts", POST, posts(count)


def fill_sqlite(path: str, tables: Iterable[Table]) -> None:
    with sqlite3.connect(path) as connection:
        for pragma in ("synchronous=OFF", "cache_size=-524288", "foreign_keys=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        for table, columns, rows in tables:
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
        connection.execute("ANALYZE")
    connection.close()


async def _fill_postgres(url: str, tables: Iterable[Table]) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("SET session_replication_role = replica")  # later rows refer to these
    for table, columns, rows in tables:
        await connection.copy_records_to_table(table, records=rows, columns=columns)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()


def fill_postgres(url: str, tables: Iterable[Table]) -> None:
    asyncio.run(_fill_postgres(url, tables))
