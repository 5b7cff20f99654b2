"""Fills a database with accounts and posts, faster than the API could: rows as the adapters write them."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from typing import Any

import asyncpg

USERS = 1_000
NOW_MS = 1_790_000_000_000
TEXT = "The linden trees along the river are in bloom, and every one of them hums from morning to night. "
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
    for number in range(USERS):
        index = number.to_bytes(32, "big")
        yield user_id(number), f"bench{number}", index, b"", "", f"Bench {number}", "", 0, 1


def user_id(number: int) -> int:
    return (NOW_MS - 10**9 + number) << 16


def post_ids(count: int) -> list[int]:
    return [(NOW_MS + number) << 16 for number in range(count)]


def posts(count: int, seed: int = 1) -> Iterator[tuple[Any, ...]]:
    """Authors are drawn with a skew: a few write much."""
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


def fill_sqlite(path: str, count: int) -> None:
    with sqlite3.connect(path) as connection:
        for table, columns, rows in (("accounts", ACCOUNT, accounts()), ("posts", POST, posts(count))):
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
        connection.execute("ANALYZE")


async def _fill_postgres(url: str, count: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.copy_records_to_table("accounts", records=accounts(), columns=ACCOUNT)
    await connection.copy_records_to_table("posts", records=posts(count), columns=POST)
    await connection.execute("VACUUM ANALYZE posts")
    await connection.close()


def fill_postgres(url: str, count: int) -> None:
    asyncio.run(_fill_postgres(url, count))
