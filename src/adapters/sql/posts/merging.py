"""Removing deleted words from the search index of SQLite."""

from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.posts.tables import FULL_TEXT

PAGES = 64
"""Pages of 4 KB in one merge, which takes about 10 ms."""

_merge = text(f"INSERT INTO {FULL_TEXT}({FULL_TEXT}, rank) VALUES ('merge', :pages)").bindparams(  # noqa: S608
    bindparam("pages", -PAGES)  # negative: merge every part of the index, however few there are
)
_changes = text("SELECT total_changes()")


async def merge_words(connection: AsyncConnection) -> bool:
    """Merge some pages of the index. It keeps a word of a deleted post, and a mark of the deletion, until the two meet
    in a merge. False when everything is merged. The command itself counts as one change."""
    before = (await connection.execute(_changes)).scalar_one()
    await connection.execute(_merge)
    return bool((await connection.execute(_changes)).scalar_one() - before > 1)
