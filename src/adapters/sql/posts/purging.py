"""Removing what deleted accounts and deleted posts leave behind."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, text

from adapters.sql.database import Database
from adapters.sql.maintenance import PAUSE_SECONDS, SqlPurge, ms_before_now
from adapters.sql.posts.tables import FULL_TEXT, restricted_authors
from adapters.sql.transactions import Transaction

DELETED_ACCOUNTS = timedelta(days=1)
"""The time for which a deletion is recorded: longer than any request for the account can still be running."""
PAGES = 64
"""Pages of 4 KB in one merge, which takes about 10 ms."""

_merge = text(f"INSERT INTO {FULL_TEXT}({FULL_TEXT}, rank) VALUES ('merge', :pages)").bindparams(  # noqa: S608
    bindparam("pages", -PAGES)  # negative: merge every part of the index, however few there are
)
_changes = text("SELECT total_changes()")


async def merge_words(transaction: Transaction) -> bool:
    """Merge some pages of the index. It keeps a word of a deleted post, and a mark of the deletion, until the two meet
    in a merge. False when everything is merged. The command itself counts as one change."""
    before = (await transaction.execute(_changes)).scalar_one()
    await transaction.execute(_merge)
    return bool((await transaction.execute(_changes)).scalar_one() - before > 1)


@dataclass(frozen=True, slots=True)
class PurgePosts:
    """Implements `PurgeExpired`. On SQLite it also removes the words of deleted posts from the search index."""

    database: Database

    async def __call__(self) -> int:
        more = self.database.is_sqlite
        while more:
            async with self.database.begin() as transaction:
                more = await merge_words(transaction)
            await asyncio.sleep(PAUSE_SECONDS)
        recorded_at = restricted_authors.c.gone_at
        return await SqlPurge(
            self.database, {restricted_authors: recorded_at < ms_before_now(DELETED_ACCOUNTS)}
        )()
