"""Queries about the contents of a PostgreSQL server, for the tests of `servers.py`."""

import asyncio
from typing import Any

import asyncpg  # type: ignore[import-untyped, unused-ignore]

from tests.integration._servers.stores import MARK


def sql(url: str, *statements: str) -> Any:
    """The first value in the first row of the last statement."""

    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


def marked(url: str) -> bool:
    return bool(sql(url, f"select to_regnamespace('{MARK}') is not null"))


def tables(url: str) -> list[str]:
    named = "select array_agg(tablename) from pg_tables where schemaname !~ '^(pg_|information_)'"
    return list(sql(url, named) or [])


def databases(url: str) -> set[str]:
    return set(sql(url, "select array_agg(datname) from pg_database"))
