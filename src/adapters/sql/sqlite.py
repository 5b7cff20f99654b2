"""SQLite on the event loop.

The usual driver for asyncio (aiosqlite) switches to a thread and back for every statement. Such a statement takes less time
than one switch, so it runs on the event loop here. Only a commit that waits for the disk goes to a thread. Slow statements
must not run this way: `ReadThread` is for them.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect

from adapters.sql.commit_thread import CommitThread
from adapters.sql.limits import PoolState
from adapters.sql.statements import Compiled, Result
from adapters.sql.transactions import Transaction
from domain.shared import Unavailable

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # an acknowledged write survives a power cut, not only a crash
    "foreign_keys=ON",
    "busy_timeout=2000",
    "temp_store=MEMORY",
)


class _Connection(sqlite3.Connection):
    is_synced = True
    """Whether a commit waits until it is on the disk."""


BUSY_SECONDS = 2.0
"""The time for which a transaction waits for the one before, and for another process, such as a backup, to release the
lock on the file."""
_BUSY_PAUSE = 0.02

_SYNC = {
    # A commit that is not synced is not on the disk when it returns. It survives the death of the process. A power cut may
    # undo it, with all that was committed after it and was not synced either, and nothing that was committed before: the log
    # of SQLite is read up to the first gap. Moving the log into the file does wait for the disk, and is left to the next
    # commit that is synced.
    False: ("PRAGMA synchronous=NORMAL", "PRAGMA wal_autocheckpoint=0"),
    True: ("PRAGMA synchronous=FULL", "PRAGMA wal_autocheckpoint=1000"),
}


class TransactionListener(Protocol):
    """Hears of every transaction of this process. If it raises, the caller gets the error, and the lock is released."""

    def opened(self, connection: sqlite3.Connection) -> None:
        """The connection is open, and no transaction has begun. It replaces the one before."""
        ...

    def begun(self) -> None:
        """A transaction has the write lock."""
        ...

    def ended(self) -> None:
        """The transaction was committed or rolled back."""
        ...


class SqliteTransaction(Transaction):
    def __init__(self, writer: "SqliteWriter", connection: _Connection) -> None:
        super().__init__(writer.dialect)
        self._writer, self._connection = writer, connection
        self._changes = connection.total_changes

    async def _run(self, form: Compiled, sql: str, values: Sequence[Any]) -> Result:
        cursor = self._connection.execute(sql, values)
        if (columns := cursor.description) is None:
            return Result((), cursor.rowcount)
        rows = cursor.fetchall()
        return Result(form.records([column[0] for column in columns], rows), len(rows))

    async def _run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> Result:
        return Result((), self._connection.executemany(sql, rows).rowcount)

    async def commit(self) -> None:
        connection = self._connection
        try:
            if connection.is_synced and connection.total_changes != self._changes:
                await self._writer.commits.run(connection.commit)
            else:  # it waits for no disk
                connection.commit()
        finally:
            self._end()

    async def rollback(self) -> None:
        self._end()

    def _end(self) -> None:
        try:
            if self._connection.in_transaction:  # also after a commit that has failed, as on a full disk
                self._connection.rollback()
        except sqlite3.Error:
            self._writer.discard()  # closing it rolls back too
        finally:
            self._writer.ended()


class SqliteWriter:
    """The only connection that writes. A transaction takes the write lock when it begins: if it took the lock later, its
    snapshot could be outdated and it would have to fail."""

    dialect: Dialect = SQLiteDialect_pysqlite()

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._connection: _Connection | None = None
        self._listener: TransactionListener | None = None
        self._is_closed = False
        self.commits = CommitThread()

    async def begin(self, *, is_synced: bool) -> SqliteTransaction:
        await self._acquire()
        try:
            connection = self._opened()
            if connection.is_synced is not is_synced:
                for pragma in _SYNC[is_synced]:
                    connection.execute(pragma)
                connection.is_synced = is_synced
            await _begin(connection)
        except BaseException:
            self._lock.release()
            raise
        self.commits.has_committed = False
        transaction = SqliteTransaction(self, connection)
        try:
            if self._listener is not None:
                self._listener.begun()
        except BaseException:
            await transaction.rollback()
            raise
        return transaction

    def ended(self) -> None:
        """Called by a transaction at its end."""
        try:
            if self._listener is not None:
                self._listener.ended()
        finally:
            self._lock.release()

    def discard(self) -> None:
        """Close the connection. The next transaction opens another one. To be called with the lock."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def listen(self, listener: TransactionListener) -> None:
        """From now on the listener hears of every transaction."""
        await self._acquire()
        try:
            listener.opened(self._opened())
            self._listener = listener
        finally:
            self._lock.release()

    def pool(self) -> PoolState:
        return PoolState("write", 1, int(self._lock.locked()), self._waiting)

    async def close(self) -> None:
        """Wait for the transaction that runs, for at most BUSY_SECONDS. Those that wait are refused."""
        self._is_closed = True
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._lock.acquire()
        except TimeoutError:  # it has been abandoned, or the disk hangs
            self.discard()
            return
        self.commits.close()
        self.discard()
        self._lock.release()

    async def _acquire(self) -> None:
        # A lock that was just released is not locked, and belongs to the one that has waited longest.
        if not self._lock.locked() and not self._waiting and not self._is_closed:
            await self._lock.acquire()
            return
        self._waiting += 1
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._lock.acquire()
        finally:
            self._waiting -= 1
        if self._is_closed:
            self._lock.release()
            raise Unavailable("the database is closed")

    def _opened(self) -> _Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, check_same_thread=False, cached_statements=256, factory=_Connection
            )
            prepare(connection)
            connection.execute("PRAGMA busy_timeout=0")  # SQLite would block the whole event loop
            if self._listener is not None:
                self._listener.opened(connection)
            self._connection = connection
        return self._connection


async def _begin(connection: sqlite3.Connection) -> None:
    deadline: float | None = None
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            now = asyncio.get_running_loop().time()
            deadline = deadline or now + BUSY_SECONDS
            if "locked" not in str(error) or now > deadline:
                raise
        else:
            return
        await asyncio.sleep(_BUSY_PAUSE)


def prepare(connection: sqlite3.Connection) -> None:
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
