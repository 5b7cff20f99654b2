"""Removes rows from `row_changes` that every process has seen.

Every process on PostgreSQL does it, whether it keeps responses or not: the triggers write for all. A process that has not
asked for changes for longer than `AGE` forgets everything (`adapters.sql.change_log`).
"""

import asyncio
from typing import Final

from sqlalchemy import text

from adapters.sql.change_log import xmin_of
from adapters.sql.database import Database

AGE: Final = 60.0
"""Seconds for which a change is kept at least, unless there are too many."""
MAX_ROWS: Final = 200_000
"""With more rows, all are removed, and every process forgets everything. It comes to that only if a transaction, of any
database of the server, is under way for so long that nothing can be trimmed."""
BATCH: Final = 5_000
"""Rows that one transaction removes."""

_snapshot = text(r"SELECT pg_current_snapshot()\:\:text")
_count = text("SELECT count(*) FROM (SELECT 1 FROM row_changes LIMIT CAST(:most AS bigint)) AS counted")
_log = text("SELECT count(*) FROM row_change_log")
_announce = text(
    "UPDATE row_change_log SET trimmed = CAST(CAST(:until AS text) AS xid8)"
    " WHERE trimmed < CAST(CAST(:until AS text) AS xid8)"
)
_remove = text(
    """
    DELETE FROM row_changes WHERE ctid IN (
        SELECT ctid FROM row_changes
        WHERE xid < CAST(CAST(:until AS text) AS xid8)
            AND pg_visible_in_snapshot(xid, CAST(CAST(:snapshot AS text) AS pg_snapshot))
        LIMIT CAST(:batch AS bigint)
    )
    """
)


class ChangeTrimming:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Trim until cancelled. Raises Unavailable."""
        old = await self.snapshot()
        while True:
            await asyncio.sleep(AGE)
            now = await self.snapshot()
            await self.trim(old, xmin_of(old))
            await self.bound(now)
            old = now

    async def snapshot(self) -> str:
        async with self._database.begin() as transaction:
            return str((await transaction.execute(_snapshot)).scalar_one())

    async def bound(self, now: str) -> None:
        """Remove all rows that are visible in the snapshot, if there are too many."""
        async with self._database.begin() as transaction:
            found = (await transaction.execute(_count, {"most": MAX_ROWS + 1})).scalar_one()
        if found > MAX_ROWS:
            await self.trim(now, now.split(":")[1])

    async def trim(self, snapshot: str, until: str) -> None:
        """Remove the changes of transactions before `until` that are visible in `snapshot`.

        It is announced first. A process whose last snapshot is from before the announcement forgets everything, unless
        all of these transactions had ended in it. A later one includes what is visible in `snapshot`, so it misses
        nothing, however late a batch is removed. For the same reason nothing is removed that is not announced here: that
        `trimmed` is higher already is known to processes that have not seen all changes up to `until`."""
        async with self._database.begin() as transaction:
            announced = (await transaction.execute(_announce, {"until": until})).rowcount
            if not announced and (await transaction.execute(_log)).scalar_one():
                return
        while True:
            async with self._database.begin() as transaction:
                removed = await transaction.execute(
                    _remove, {"until": until, "snapshot": snapshot, "batch": BATCH}
                )
            if removed.rowcount < BATCH:
                return
