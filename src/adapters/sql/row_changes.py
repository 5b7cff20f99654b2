"""Reports every change of rows on SQLite, whichever use case, command or process made it.

The changes of this process are reported by temporary triggers on its only writing connection; a row costs 0.5 µs. The
commits of other processes are noticed by `PRAGMA data_version`. That is asked on the writing connection: it does not change
with the connection's own commits. On a reading connection, another process could hide behind a commit of this one.

While a transaction is open, nobody else can commit. But its commit runs in a thread, and others may commit as soon as it is
done, before this event loop hears of it. So a connection that only watches must have seen no commit at all, or the thread
must be done with ours: then the writing connection rests, and is asked for the commits of others again.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.sql.sqlite import SqliteWriter
from application.shared.readings import Readings


@dataclass(frozen=True, slots=True)
class RowTrigger:
    """A key that a change of a table touches."""

    table: str
    change: str
    """INSERT, DELETE, UPDATE, or UPDATE OF and the names of columns."""
    kind: str
    columns: tuple[str, ...] = ()
    """Up to two, with the ids of the key."""
    when: str = ""
    """A condition in SQL over the rows `old` and `new`, if not every change counts."""

    def sql(self, name: str) -> str:
        row = "new" if self.change == "INSERT" else "old"
        ids = [f"{row}.{column}" for column in self.columns]
        arguments = ", ".join([f"'{self.kind}'", *ids, *["NULL"] * (2 - len(ids))])
        condition = f"WHEN {self.when} " if self.when else ""
        return (
            f"CREATE TEMP TRIGGER {name} AFTER {self.change} ON main.{self.table} {condition}"
            f"BEGIN SELECT waggle_touched({arguments}); END"
        )


class RowChanges:
    """Between the writing connection of a database and the readings that depend on its rows."""

    def __init__(self, path: str, readings: Readings, triggers: Sequence[RowTrigger]) -> None:
        self._path, self._readings, self._triggers = path, readings, triggers
        self._connection: sqlite3.Connection | None = None
        self._in_transaction = False
        self._version: int | None = None
        self._watcher: sqlite3.Connection | None = None
        self._commits: int | None = None
        """The version that the watcher saw when the transaction began."""
        self._has_committed: Callable[[], bool] = lambda: False
        """Whether the commit of the transaction is done. Its connection rests then."""

    async def attach(self, writer: SqliteWriter) -> None:
        """The tables must exist."""
        self._watcher = sqlite3.connect(self._path, isolation_level=None)
        self._watcher.execute("PRAGMA query_only=ON")
        self._has_committed = lambda: writer.commits.has_committed
        await writer.listen(self)
        self._readings.is_current = self.is_current

    def close(self) -> None:
        self._readings.is_current = None
        if self._watcher is not None:
            self._watcher.close()

    def is_current(self) -> bool:
        """Whether all changes are known that were committed before this call."""
        if self._in_transaction:
            if self._commits is not None and _version(self._watcher) == self._commits:
                return True
            if not self._has_committed():
                return False
            self.ended()  # until the event loop hears of it, every response would be made anew
        return self._look_for_others()

    def _look_for_others(self) -> bool:
        if (version := _version(self._connection)) is None:
            return False
        if version != self._version:
            self._version = version
            self._readings.forget_all()
        return True

    def opened(self, connection: sqlite3.Connection) -> None:
        connection.create_function("waggle_touched", 3, self._touched)
        for number, trigger in enumerate(self._triggers):
            connection.execute(trigger.sql(f"waggle_touched_{number}"))
        self._connection, self._in_transaction = connection, False
        self._readings.forget_all()
        self._look_for_others()

    def begun(self) -> None:
        self._look_for_others()
        self._in_transaction, self._commits = True, _version(self._watcher)

    def ended(self) -> None:
        self._in_transaction = False
        self._readings.ended()

    def _touched(self, kind: str, first: int | str | None, second: int | None) -> None:
        ids = tuple(id_ for id_ in (first, second) if id_ is not None)
        self._readings.touch((kind, *ids))


def _version(connection: sqlite3.Connection | None) -> int | None:
    """A number that changes with the commits of others; None if it is unknown."""
    try:
        return None if connection is None else int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.Error:
        return None
