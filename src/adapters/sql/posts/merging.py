"""Letting the index of SQLite forget what was deleted."""

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.posts.tables import FULL_TEXT

PAGES = 64
"""Of 4 KB; they take about 10 ms."""

_merge = text(f"INSERT INTO {FULL_TEXT}({FULL_TEXT}, rank) VALUES ('merge', :pages)").bindparams(  # noqa: S608
    bindparam("pages", -PAGES)  # negative: every part of the index, however few there are
)
_changes = text("SELECT total_changes()")


async def merge_words(connection: AsyncConnection) -> bool:
    """Merge some pages of the index, which keeps a word of a deleted post, and that it was deleted, until the
    two meet in a merge; False when all of it is merged. `merge` itself counts as one change."""
    before = (await connection.execute(_changes)).scalar_one()
    await connection.execute(_merge)
    return bool((await connection.execute(_changes)).scalar_one() - before > 1)
