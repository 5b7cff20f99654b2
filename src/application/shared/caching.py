"""Cached results of expensive computations.

A cache never decides who may see something, and losing it loses no data: a missing value is computed again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import field
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from application.shared.log import log
from application.shared.log_events import CacheNotComputed
from application.shared.ports import Clock
from application.shared.readings import open_reading, untracked_read
from domain.dataclasses import dataclass
from domain.shared import Unavailable

T = TypeVar("T")


class CachedValue(NamedTuple):
    schema: int
    """The `schema` of the codec that wrote it."""
    made_at: float
    """Seconds since 1970, as is the following."""
    fresh_until: float
    content: bytes | None
    """None if it is the absence of a value that is cached."""


class Cache(Protocol):
    """Values by key, for all processes that share the cache.

    Best effort: a value may be evicted long before it expires, and an unavailable cache finds and stores nothing. A value
    that was damaged is not found. No method raises in that case, and none waits longer than a fraction of a second.
    """

    async def get(self, key: str) -> CachedValue | None:
        """The value that was set last, if it is present and has not expired."""
        ...

    async def set(self, key: str, value: CachedValue, ttl: float) -> None:
        """Replace the value, for at most `ttl` seconds (above 0). A value that is too large for the cache is not stored, and
        the earlier value is deleted."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the value; no effect if there is none."""
        ...


class Codec(NamedTuple, Generic[T]):
    """The encoding of values. Increase `schema` whenever the format of `dump` changes: values that another version of the
    code wrote are then ignored."""

    schema: int
    dump: Callable[[T], bytes]
    load: Callable[[bytes], T]
    """Raises ValueError, TypeError or KeyError for bytes that `dump` cannot have written."""


class Times(NamedTuple):
    """In seconds. A value is `fresh` for this long; after that it is still served for `stale` while a new one is computed."""

    fresh: float
    stale: float


SKEW = 5.0
"""Seconds by which the clocks of two processes may differ. A value from further in the future has a wrong time."""
JITTER = 0.15
"""The maximum fraction by which the times of a value are shortened, so that values of the same age do not expire together."""
RETRY_PAUSE = 5.0
"""Seconds between a failed refresh and the next one. Meanwhile the old value is served."""
MAX_PAUSED = 1000
"""The maximum number of keys with a recorded pause."""
COMPUTE_TIMEOUT = 10.0
"""Seconds after which computing a value fails."""


class _Entry(NamedTuple, Generic[T]):
    value: T | None
    made_at: float
    fresh_until: float


MAX_WATCHED = 1000
"""The maximum number of keys of which the latest entry is remembered for readings."""


@dataclass(frozen=True, slots=True)
class Cached(Generic[T]):
    """Values that are computed on demand, stored in a cache, and computed again when they are old.

    This process computes at most one value per key at a time, however many callers there are. A caller never waits if there
    is a stale value. The absence of a value (None) is cached like a value.
    """

    name: str
    """The prefix of the keys. Each user of a cache has a different name."""
    cache: Cache
    codec: Codec[T]
    times: Times
    now: Clock
    random: Callable[[], float]
    """Uniformly distributed between 0 and 1."""
    _pending: dict[str, "asyncio.Task[T | None]"] = field(default_factory=dict, compare=False)
    _paused_until: dict[str, float] = field(default_factory=dict, compare=False)
    """The time until which a key is not refreshed, because a refresh has just failed."""

    _latest: dict[str, tuple[float, float]] = field(default_factory=dict, compare=False)
    """When the entry was made that this process read or stored last, and until when it is fresh."""

    async def get(self, key: str, make: Callable[[], Awaitable[T | None]]) -> T | None:
        """The value of `key`, which `make` computes. If there is no cached value, raises what `make` raises. A reading may
        be kept as long as the value is fresh: no process replaces it before."""
        entry = await self._read(key)
        if entry is None:
            untracked_read()
            return await asyncio.shield(self._start(key, make))
        now = self._seconds()
        if (reading := open_reading()) is not None:
            self._remember(key, entry.made_at, entry.fresh_until)
            refresh = partial(self.get, key, make)
            reading.watch("cached value", partial(self._fresh, key), entry.made_at, refresh)
        if now >= entry.fresh_until and now >= self._paused_until.get(key, 0.0):
            self._start(key, make)  # in the background
        return entry.value

    def _remember(self, key: str, made_at: float, fresh_until: float) -> None:
        if len(self._latest) >= MAX_WATCHED:
            self._latest.clear()
        self._latest[key] = made_at, fresh_until

    def _fresh(self, key: str) -> float | None:
        """When the latest entry was made; None if it is not fresh."""
        made_at, fresh_until = self._latest.get(key, (0.0, 0.0))
        return made_at if self._seconds() < fresh_until else None

    async def refresh(self, key: str, make: Callable[[], Awaitable[T | None]]) -> bool:
        """Compute the value unless a fresh one exists. True if it was computed. Raises what `make` raises."""
        entry = await self._read(key)
        if entry is not None and self._seconds() < entry.fresh_until:
            return False
        await asyncio.shield(self._start(key, make))
        return True

    async def peek(self, key: str) -> T | None:
        """The cached value, fresh or stale; None if there is none. Computes nothing."""
        entry = await self._read(key)
        return None if entry is None else entry.value

    async def put(self, key: str, value: T) -> None:
        """Store a value that was computed elsewhere."""
        await self._store(key, value)

    async def forget(self, key: str) -> None:
        """Delete the value. A value that this process is computing from the old state is returned to its callers, but not
        stored. A value that another process is computing at the same time is stored."""
        self._pending.pop(key, None)
        self._paused_until.pop(key, None)
        self._latest.pop(key, None)
        await self.cache.delete(self._key(key))

    def _key(self, key: str) -> str:
        return f"{self.name}:{key}"

    def _seconds(self) -> float:
        return self.now().timestamp()

    async def _read(self, key: str) -> _Entry[T] | None:
        """The entry; None if another version of the code wrote it, if it is corrupt, or if it is too old."""
        stored = await self.cache.get(self._key(key))
        if stored is None or stored.schema != self.codec.schema:
            return None
        if not -SKEW <= self._seconds() - stored.made_at < sum(self.times):
            return None
        try:
            value = None if stored.content is None else self.codec.load(stored.content)
        except (ValueError, TypeError, KeyError):
            return None
        return _Entry(value, stored.made_at, stored.fresh_until)

    async def _store(self, key: str, value: T | None) -> None:
        made_at = self._seconds()
        fresh_until = made_at + self.times.fresh * self._jitter()
        if key in self._latest:
            self._remember(key, made_at, fresh_until)
        content = None if value is None else self.codec.dump(value)
        stored = CachedValue(self.codec.schema, made_at, fresh_until, content)
        await self.cache.set(self._key(key), stored, sum(self.times) * self._jitter())

    def _jitter(self) -> float:
        return 1.0 - JITTER * self.random()

    def _start(self, key: str, make: Callable[[], Awaitable[T | None]]) -> "asyncio.Task[T | None]":
        if (task := self._pending.get(key)) is None:
            task = self._pending[key] = asyncio.create_task(self._compute(key, make))
            task.add_done_callback(lambda done: self._finished(key, done))
        return task

    async def _compute(self, key: str, make: Callable[[], Awaitable[T | None]]) -> T | None:
        try:
            async with asyncio.timeout(COMPUTE_TIMEOUT):
                value = await make()
        except TimeoutError:
            raise Unavailable(f"{self.name} takes too long") from None
        if self._pending.get(key) is asyncio.current_task():  # otherwise it was forgotten meanwhile
            await self._store(key, value)
        return value

    def _finished(self, key: str, task: "asyncio.Task[T | None]") -> None:
        if self._pending.get(key) is task:
            del self._pending[key]
        if task.cancelled() or (error := task.exception()) is None:
            self._paused_until.pop(key, None)
            return
        now = self._seconds()
        if now < self._paused_until.get(key, 0.0):
            return  # already logged
        trace = None if isinstance(error, Unavailable) else error
        log(CacheNotComputed(key=self._key(key), reason=str(error)), trace)
        if len(self._paused_until) >= MAX_PAUSED:
            self._paused_until.clear()
        self._paused_until[key] = now + RETRY_PAUSE
