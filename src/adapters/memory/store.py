"""All state in dictionaries, with real transactions, for tests and for developers of clients."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

from application.shared.ports import OpenTx

T = TypeVar("T")


class _Deleted:
    """Marks a row that a transaction has deleted."""


_DELETED: Final = _Deleted()


class Rows(Protocol):
    """The rows of all tables, as a reader or a transaction sees them."""

    def get(self, table: str, key: Any) -> Any:
        """The row, or None."""
        ...

    def all(self, table: str) -> Iterator[Any]: ...


class Store:
    """The committed rows. Reads need no lock: a commit happens within one step of the event loop."""

    def __init__(self, committed: Callable[[], None] = lambda: None) -> None:
        self._tables: defaultdict[str, dict[Any, Any]] = defaultdict(dict)
        self._writer = asyncio.Lock()
        self._committed = committed
        self._sequence = 0

    def get(self, table: str, key: Any) -> Any:
        return self._tables[table].get(key)

    def all(self, table: str) -> Iterator[Any]:
        return iter(self._tables[table].values())

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["Draft"]:
        """A transaction. There is one writer at a time; its changes are discarded if the block raises."""
        async with self._writer:
            draft = Draft(self)
            yield draft
            for (table, key), row in draft.changes.items():
                if row is _DELETED:
                    self._tables[table].pop(key, None)
                else:
                    self._tables[table][key] = row

    def transactions(self, ports: Callable[["Draft"], T]) -> OpenTx[T]:
        @asynccontextmanager
        async def open_tx() -> AsyncIterator[T]:
            async with self.begin() as draft:
                yield ports(draft)
            if draft.has_events:
                self._committed()

        return open_tx

    async def ping(self) -> None:
        """Succeeds always: memory is always available."""

    def next_number(self) -> int:
        """A number that is never repeated, not even after a rollback."""
        self._sequence += 1
        return self._sequence


class Draft:
    """The store as one transaction sees it: the committed rows and its own changes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.changes: dict[tuple[str, Any], Any] = {}
        self.has_events = False
        """Whether an event was added to the outbox."""

    def get(self, table: str, key: Any) -> Any:
        row = self.changes.get((table, key), self.store.get(table, key))
        return None if row is _DELETED else row

    def all(self, table: str) -> Iterator[Any]:
        return (row for _key, row in self.items(table))

    def items(self, table: str) -> list[tuple[Any, Any]]:
        """The keys and rows of a table. Changes during the iteration are harmless."""
        changed = {key: row for (of, key), row in self.changes.items() if of == table}
        committed = self.store._tables[table]  # noqa: SLF001 - the two classes belong together
        merged = {**committed, **changed}
        return [(key, row) for key, row in merged.items() if row is not _DELETED]

    def put(self, table: str, key: Any, row: Any) -> None:
        self.changes[table, key] = row

    def delete(self, table: str, key: Any) -> None:
        self.changes[table, key] = _DELETED
