"""The rows and cached values that a result was read from, so that it can be kept until something of that changes.

While a `Reading` is open, everything that is read for it is recorded in it: the keys of the rows (`rows_of`), and the
values of caches in this process (`Watch`). `Readings` hears from the store which keys change, and marks every kept reading
of such a key as outdated. A key that an open transaction has changed is in doubt until the transaction has ended. Nobody sees
the change before, so what is read meanwhile is kept, but only until that end. A reading during which a transaction ended that
changed its rows is not kept, nor is one for which rows were read that it has no keys of.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from typing import TypeAlias

from domain.dataclasses import dataclass

Key: TypeAlias = tuple[str | int, ...]
"""A kind of row and up to two ids. The module that owns the table defines its kinds; `docs/decisions.md` lists them."""

MAX_KEYS = 500
"""A reading with more keys is not kept: it would take more memory than the response."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A value that was read from a cache in this process."""

    name: str
    peek: Callable[[], object]
    """The value that the cache would return now; None if it would have to ask the store first."""
    value: object
    refresh: Callable[[], Awaitable[object]]
    """Asks the store if necessary, so that `peek` returns a value again."""

    def holds(self) -> bool:
        now = self.peek()
        return now is self.value or now == self.value


class Reading:
    """The rows and cached values that one result was read from."""

    __slots__ = ("ended", "epoch", "is_outdated", "is_tracked", "keys", "refused", "touched", "watches")

    def __init__(self, epoch: int, in_doubt: Iterable[Key], ended: int) -> None:
        self.epoch, self.ended = epoch, ended
        self.keys: set[Key] = set()
        self.touched = set(in_doubt)
        """The keys that changed, or were in doubt, while this was open."""
        self.watches: list[Watch] = []
        self.is_tracked = True
        """False once rows were read whose keys are unknown."""
        self.is_outdated = False
        self.refused = ""
        """Why it could not be kept."""

    def watch(
        self, name: str, peek: Callable[[], object], value: object, refresh: Callable[[], Awaitable[object]]
    ) -> None:
        self.watches.append(Watch(name, peek, value, refresh))


_open: ContextVar[Reading | None] = ContextVar("reading", default=None)


def open_reading() -> Reading | None:
    """The reading for which the current task reads."""
    return _open.get()


class _Covered:
    """Reads inside of it belong to keys that are recorded already."""

    __slots__ = ("_token",)
    _token: Token[Reading | None]

    def __enter__(self) -> None:
        self._token = _open.set(None)

    def __exit__(self, *_: object) -> None:
        _open.reset(self._token)


_NOTHING = nullcontext()


def rows_of(keys: Iterable[Key]) -> AbstractContextManager[None]:
    """Around reads whose result changes only if a row with one of these keys does. Keys that are known only afterwards are
    added by `also_of`, before the next suspension of the task."""
    reading = _open.get()
    if reading is None:
        return _NOTHING
    reading.keys.update(keys)
    return _Covered()


def also_of(keys: Iterable[Key]) -> None:
    if (reading := _open.get()) is not None:
        reading.keys.update(keys)


def untracked_read() -> None:
    """Called by a store for each read."""
    if (reading := _open.get()) is not None:
        reading.is_tracked = False


class Readings:
    """The readings that are open or kept. It does nothing until a store that reports its changes attaches to it."""

    def __init__(self) -> None:
        self.is_current: Callable[[], bool] | None = None
        """Set by the store. Reports the commits of other processes, and whether all changes are known now, or will be
        after `catch_up`."""
        self.catch_up: Callable[[], Awaitable[bool]] | None = None
        """Set by a store that has to be asked for changes. When it returns true, all changes were reported that were
        committed before the call. It never takes longer than a second or so, and raises nothing."""
        self._epoch = 0
        self._in_doubt: set[Key] = set()
        self._ended = 0
        """Transactions that have ended."""
        self._until_end: set[Reading] = set()
        """Kept readings of rows that the open transaction has changed. They are true until it ends."""
        self._opened: set[Reading] = set()
        self._kept: dict[Key, set[Reading]] = {}
        self._listeners: dict[str | int, Callable[[Key], None]] = {}
        self._clear: list[Callable[[], None]] = []
        self.card_bytes = 0
        """The memory of the caches of rows that listen here."""
        self.max_card_bytes = 0
        """Set where results are kept; until then these caches are empty."""

    def listen(self, kind: str, touched: Callable[[Key], None], cleared: Callable[[], None]) -> None:
        """For a cache of rows of this kind: `touched` drops one, `cleared` all. See `in_doubt` and `following`."""
        self._listeners[kind] = touched
        self._clear.append(cleared)

    def in_doubt(self, key: Key) -> bool:
        """Whether an open transaction has changed the row. A cache must not keep it then."""
        return key in self._in_doubt

    # The reports of the store

    def touch(self, key: Key) -> None:
        """An open transaction has changed a row with this key."""
        self._in_doubt.add(key)
        for reading in self._opened:
            reading.touched.add(key)
        for reading in self._kept.pop(key, ()):
            reading.is_outdated = True
        if (listener := self._listeners.get(key[0])) is not None:
            listener(key)

    def ended(self) -> None:
        """The transaction was committed or rolled back. There is one at a time."""
        self._in_doubt.clear()
        self._ended += 1
        for reading in self._until_end:
            reading.is_outdated = True
        self._until_end.clear()

    def forget_all(self) -> None:
        """Anything may have changed."""
        self._epoch += 1
        self._kept.clear()
        for clear in self._clear:
            clear()

    # The methods for readers of results

    @contextmanager
    def reading(self) -> Iterator[Reading | None]:
        """Record what is read inside; None where nothing can be kept."""
        if self.is_current is None or not self.is_current():
            yield None
            return
        reading = Reading(self._epoch, self._in_doubt, self._ended)
        self._opened.add(reading)
        token = _open.set(reading)
        try:
            yield reading
        finally:
            _open.reset(token)
            self._opened.discard(reading)

    def keep(self, reading: Reading) -> bool:
        """Follow the changes of what was read. False if it has changed already, or cannot be followed. To be called right
        after the reading has ended: nothing may be awaited in between."""
        if refused := self._why_refused(reading):
            reading.refused = refused
            return False
        kept = self._kept
        for key in reading.keys:
            if (readings := kept.get(key)) is None:
                kept[key] = {reading}
            else:
                readings.add(reading)
        if not reading.keys.isdisjoint(reading.touched):
            self._until_end.add(reading)
        return True

    def _why_refused(self, reading: Reading) -> str:
        if self.is_current is None or not self.is_current():
            return "store"
        if reading.epoch != self._epoch:
            return "other process"
        if not reading.is_tracked or len(reading.keys) > MAX_KEYS:
            return "keys"
        if reading.ended != self._ended and not reading.keys.isdisjoint(reading.touched):
            return "rows"
        return next((watch.name for watch in reading.watches if not watch.holds()), "")

    def drop(self, reading: Reading) -> None:
        """The result is no longer kept."""
        reading.is_outdated = True
        self._until_end.discard(reading)
        for key in reading.keys:
            if (readings := self._kept.get(key)) is not None:
                readings.discard(reading)
                if not readings:
                    del self._kept[key]

    def why_outdated(self, reading: Reading) -> str:
        """The name of what has changed since the reading was kept; empty if its result is still the same. Asks the store
        about other processes."""
        if self.is_current is None or not self.is_current():
            return "store"
        if reading.epoch != self._epoch:
            return "other process"
        if reading.is_outdated:
            return "rows"
        for watch in reading.watches:
            if not watch.holds():
                return watch.name
        return ""

    @contextmanager
    def following(self) -> Iterator[Reading]:
        """For a cache, while it reads rows to store them. See `unchanged`."""
        reading = Reading(self._epoch, self._in_doubt, self._ended)
        self._opened.add(reading)
        try:
            yield reading
        finally:
            self._opened.discard(reading)

    def unchanged(self, reading: Reading, key: Key) -> bool:
        """Whether the row was not touched while it was read. To be called right after the reading has ended."""
        return reading.epoch == self._epoch and key not in reading.touched

    async def refresh(self, watches: Sequence[Watch]) -> None:
        for watch in watches:
            await watch.refresh()
