"""Reports every change of rows on PostgreSQL, whichever process made it.

Triggers (`adapters.sql.change_triggers`) write a row to `row_changes` for each key that a transaction touches, with the
number of the transaction. One statement returns its own snapshot, and the changes that are visible now and were not in the
snapshot of the statement before. Snapshots are exact: transactions are found in the order in which they commit, whatever
order their numbers have. Before a kept response is used, such a statement must have been sent after its request arrived;
all requests that arrive before it is sent share it.

**Why a kept response is true.** Let S be the snapshot of the last statement whose changes were reported, when the reads of
a response begin. Snapshots that a server takes one after the other only grow.
- A change that commits before S was taken is visible to all of the reads.
- Any other change is reported after the reads have begun: by a statement that is under way, or by a later one. If it is
  reported before the response is kept, it keeps it from being kept; later, it outdates it. Some of these changes the reads
  have seen already: then a response is dropped for nothing.
- The response is used only after a statement that was sent after the request arrived. It reports all changes that were
  committed before it was sent.
This holds for values of caches too, if they are dropped by their key, and if what was read while its key was touched is
not stored (`Readings.following`). Reads from a replica would not fit into this order, so there must be none.

**When the order is unknown**, everything is forgotten: after a start of the database server, since transactions may have
been lost and their numbers used again, and since unlogged tables may be empty; after `row_changes` was copied, with numbers
of another server (dump and restore: `origin` names the start of the server and the identity of the table); and where
rows were removed that this process had not seen (`trimmed`). It never matters how long a transaction runs.

No state is kept on a connection, so a pooler in transaction mode can be between.
"""

import asyncio
from contextvars import Context
from typing import Final

import msgspec
from sqlalchemy import text

from adapters.sql.address import PostgresAddress
from adapters.sql.database import Database
from adapters.sql.postgres import PostgresReader
from adapters.sql.statements import Prepared
from application.shared.readings import Readings

DEADLINE: Final = 0.5
"""Seconds after which a statement is given up, and those who wait for it go the ordinary path."""
PAUSE: Final = 1.0
"""Seconds after a failure in which nobody waits for another statement."""
MAX_CHANGES: Final = 5_000
"""With more changes at once everything is forgotten."""
INTERVAL: Final = 10.0
"""Seconds between two statements if nobody reads, so that the snapshot does not become older than what is trimmed."""

ORIGIN: Final = (
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint || '/' || 'row_change_log'::regclass::oid"
).replace("::", r"\:\:")
_changed = Prepared(
    text(
        rf"""
        SELECT pg_current_snapshot()\:\:text, log.origin, log.origin = {ORIGIN}, log.trimmed\:\:text,
            ARRAY(
                SELECT key FROM row_changes
                WHERE xid >= CAST(CAST(:xmin AS text) AS xid8)
                    AND NOT pg_visible_in_snapshot(xid, CAST(CAST(:snapshot AS text) AS pg_snapshot))
                LIMIT {MAX_CHANGES + 1}
            )
        FROM row_change_log log
        """  # noqa: S608 - constants
    )
)
_begin = text(
    f"""
    INSERT INTO row_change_log (id, origin, trimmed) VALUES (1, {ORIGIN}, pg_snapshot_xmax(pg_current_snapshot()))
    ON CONFLICT (id) DO UPDATE SET origin = excluded.origin, trimmed = excluded.trimmed
    WHERE row_change_log.origin <> excluded.origin
    """  # noqa: S608 - constants
)
_empty = text("DELETE FROM row_changes")
_decode: Final = msgspec.json.Decoder(tuple[str | int, ...]).decode
_NEVER: Final = "1:1:"
"""A snapshot in which nothing is visible yet."""
_NO_CHANGES: Final = str(2**64 - 1)
"""A number that no transaction reaches."""


class ChangeLog:
    """Between the changes in PostgreSQL and the readings that depend on them."""

    def __init__(self, database: Database, readings: Readings) -> None:
        if not isinstance(database.address, PostgresAddress):
            raise TypeError("only PostgreSQL has a log of changes")
        self._database, self._readings = database, readings
        # A connection of its own: the statement must not wait for slow reads.
        self._reader = PostgresReader(database.address, database.dialect, 1)
        self._snapshot: str | None = None
        """All changes that are visible in it were reported; None if the order is unknown."""
        self._origin = self._trimmed = ""
        self._waiting: list[asyncio.Future[bool]] = []
        self._asking: asyncio.Task[None] | None = None
        self._paused_until = 0.0

    async def run(self) -> None:
        """Keep the snapshot young until cancelled."""
        while True:
            await self.catch_up()
            await asyncio.sleep(INTERVAL)

    async def open(self) -> None:
        await self._reader.open()
        self._readings.is_current = self.is_current
        self._readings.catch_up = self.catch_up

    async def close(self) -> None:
        self._readings.is_current = self._readings.catch_up = None
        self._readings.forget_all()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        await self._reader.close()

    def is_current(self) -> bool:
        """Whether each change that is not reported yet will be. `catch_up` says whether any is missing."""
        return self._snapshot is not None

    async def catch_up(self) -> bool:
        """Report the changes that were committed before this call. False if they remain unknown, after at most two
        deadlines."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._paused_until:
            return False
        known = loop.create_future()
        self._waiting.append(known)
        if self._asking is None:
            # In a context of its own: it belongs to no request.
            self._asking = loop.create_task(self._ask_while_waited_for(), context=Context())
        return bool(await known)

    async def _ask_while_waited_for(self) -> None:
        waiting: list[asyncio.Future[bool]] = []
        known = False
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                known = False
                known = await self._ask()
                _answer(waiting, known=known)
        finally:
            self._asking = None
            _answer([*waiting, *self._waiting], known=False)
            self._waiting = []

    async def _ask(self) -> bool:
        """One statement, and a second one if the order has to begin anew."""
        try:
            async with asyncio.timeout(DEADLINE):
                if not await self._report():
                    await self._begin()
                    await self._report()
        except Exception:  # noqa: BLE001 - whatever it was, the ordinary path tells it to those whom it concerns
            # The snapshot remains true: the next statement reports what this one would have.
            self._paused_until = asyncio.get_running_loop().time() + PAUSE
            return False
        return self._snapshot is not None

    async def _report(self) -> bool:
        """Report what has changed since the statement before. False if there is no log that belongs to this server."""
        since = self._snapshot
        rows = await self._reader.fetch(
            _changed,
            {"xmin": _NO_CHANGES if since is None else xmin_of(since), "snapshot": since or _NEVER},
        )
        if not rows or not rows[0][2]:
            self._snapshot = None
            self._readings.forget_all()
            return False
        [(snapshot, origin, _, trimmed, changes)] = rows
        if (
            since is None
            or origin != self._origin
            or self._misses_rows(trimmed, since)
            or len(changes) > MAX_CHANGES
        ):
            self._readings.forget_all()
        else:
            for change in changes:
                self._readings.touch(_decode(change))
            self._readings.ended()
        self._snapshot, self._origin, self._trimmed = snapshot, origin, trimmed
        return True

    def _misses_rows(self, trimmed: str, since: str) -> bool:
        """Whether changes may have been removed that are not visible in the snapshot `since`."""
        return trimmed != self._trimmed and int(trimmed) > int(xmin_of(since))

    async def _begin(self) -> None:
        """Begin a log for this server, unless another process has done so. Rows are removed only by the transaction that
        begins it: whoever finds the new log takes a later snapshot."""
        async with self._database.begin() as transaction:
            if (await transaction.execute(_begin)).rowcount:
                await transaction.execute(_empty)


def xmin_of(snapshot: str) -> str:
    """The first transaction that was under way in the snapshot, or would have been the next."""
    return snapshot.partition(":")[0]


def _answer(waiting: list[asyncio.Future[bool]], *, known: bool) -> None:
    for one in waiting:
        if not one.done():  # else it was cancelled
            one.set_result(known)
