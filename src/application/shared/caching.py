"""Answers that are kept for a while because they cost much to find.

A cache never decides who may see what, and nothing is lost with it: what it does not have is made again.
"""

import asyncio
import logging
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from application.shared.ports import Clock
from domain.shared import Unavailable

T = TypeVar("T")

log = logging.getLogger(__name__)


class Cache(Protocol):
    """Bytes under a key, among all processes that share the cache.

    Soft: a value may be gone long before its time, and a cache that is away has nothing and takes nothing.
    No method raises for that, and none waits longer than a fraction of a second.
    """

    async def get(self, key: str) -> bytes | None:
        """The value as it was set last, if it is there and its time is not over."""
        ...

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value in place of an earlier one for at most `ttl` seconds, which are more than 0. A value that
        is too large for the cache is not kept, and an earlier one is gone then."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the value; no effect if there is none."""
        ...


class Codec(NamedTuple, Generic[T]):
    """How values become bytes. `schema` is raised whenever `dump` begins to mean something else: what another
    version of the code wrote is then not there."""

    schema: int
    dump: Callable[[T], bytes]
    load: Callable[[bytes], T]
    """Raises ValueError, TypeError or KeyError for bytes that it cannot have written."""


class Times(NamedTuple):
    """In seconds. A value is `fresh` for so long, and after that is still served for `stale` while a fresh one is made."""

    fresh: float
    stale: float


_SUM = struct.Struct(">I")
"""A checksum of all that follows."""
_HEAD = struct.Struct(">2sIdd?")
"""What it is, its schema, when it was made and until when it is fresh (seconds since 1970), whether there is
anything."""
_MAGIC = b"wg"
SKEW = 5.0
"""Seconds by which the clocks of two processes may differ. What was made later than that from now was made by a
clock that is wrong."""
JITTER = 0.15
"""The part of its times that a value may lose, so that those made together do not end together."""
PAUSE = 5.0
"""Seconds after a refresh that failed before the next one; meanwhile the old value serves."""
MAX_RESTS = 1000
"""Of how many keys that is known at most."""
PATIENCE = 10.0
"""Seconds after which making a value has failed."""


class _Kept(NamedTuple, Generic[T]):
    value: T | None
    fresh_until: float


@dataclass(frozen=True, slots=True)
class Cached(Generic[T]):
    """Values that are made when they are asked for, kept in a cache, and made anew when they are old.

    For each key at most one value is made at a time in this process, however many ask for it, and none of those
    who ask for one that is only stale waits. That there is nothing (None) is kept like a value.
    """

    name: str
    """Begins the keys: two users of one cache have different names."""
    cache: Cache
    codec: Codec[T]
    times: Times
    now: Clock
    random: Callable[[], float]
    """Evenly between 0 and 1."""
    _flights: dict[str, "asyncio.Task[T | None]"] = field(default_factory=dict, compare=False)
    _rests: dict[str, float] = field(default_factory=dict, compare=False)
    """Until when a key is not refreshed, because that has just failed."""

    async def get(self, key: str, make: Callable[[], Awaitable[T | None]]) -> T | None:
        """The value of `key`, which `make` makes. Raises what `make` raises if there is none to serve."""
        kept = await self._read(key)
        if kept is None:
            return await asyncio.shield(self._flight(key, make))
        now = self._seconds()
        if now >= kept.fresh_until and now >= self._rests.get(key, 0.0):
            self._flight(key, make)  # nobody waits for it
        return kept.value

    async def refresh(self, key: str, make: Callable[[], Awaitable[T | None]]) -> bool:
        """Make the value if there is none that is fresh; whether it was made. Raises what `make` raises."""
        kept = await self._read(key)
        if kept is not None and self._seconds() < kept.fresh_until:
            return False
        await asyncio.shield(self._flight(key, make))
        return True

    async def peek(self, key: str) -> T | None:
        """The value if it is there, fresh or stale; it is not made anew."""
        kept = await self._read(key)
        return None if kept is None else kept.value

    async def put(self, key: str, value: T) -> None:
        """Keep a value that was made elsewhere."""
        await self.cache.set(self._key(key), self._packed(value), sum(self.times) * self._part())

    async def forget(self, key: str) -> None:
        """From now on a value is made anew: what is being made at the moment, from what was true before, is given
        to those who wait for it and not kept. What another process is making just then is kept."""
        self._flights.pop(key, None)
        self._rests.pop(key, None)
        await self.cache.delete(self._key(key))

    def _key(self, key: str) -> str:
        return f"{self.name}:{key}"

    def _seconds(self) -> float:
        return self.now().timestamp()

    async def _read(self, key: str) -> _Kept[T] | None:
        raw = await self.cache.get(self._key(key))
        return None if raw is None else self._unpacked(raw)

    def _unpacked(self, raw: bytes) -> _Kept[T] | None:
        """None for what another version of the code wrote, for garbage, and for what is older than it may be."""
        try:
            (checksum,) = _SUM.unpack_from(raw)
            magic, schema, made, fresh_until, something = _HEAD.unpack_from(raw, _SUM.size)
            known = (magic, schema) == (_MAGIC, self.codec.schema)
            if not known or zlib.crc32(raw[_SUM.size :]) != checksum:
                return None
            if not -SKEW <= self._seconds() - made < sum(self.times):
                return None
            return _Kept(self.codec.load(raw[_SUM.size + _HEAD.size :]) if something else None, fresh_until)
        except (struct.error, ValueError, TypeError, KeyError):
            return None

    def _packed(self, value: T | None) -> bytes:
        made = self._seconds()
        body = b"" if value is None else self.codec.dump(value)
        fresh_until = made + self.times.fresh * self._part()
        checked = _HEAD.pack(_MAGIC, self.codec.schema, made, fresh_until, value is not None) + body
        return _SUM.pack(zlib.crc32(checked)) + checked

    def _part(self) -> float:
        return 1.0 - JITTER * self.random()

    def _flight(self, key: str, make: Callable[[], Awaitable[T | None]]) -> "asyncio.Task[T | None]":
        if (flight := self._flights.get(key)) is None:
            flight = self._flights[key] = asyncio.create_task(self._made(key, make))
            flight.add_done_callback(lambda done: self._landed(key, done))
        return flight

    async def _made(self, key: str, make: Callable[[], Awaitable[T | None]]) -> T | None:
        try:
            async with asyncio.timeout(PATIENCE):
                value = await make()
        except TimeoutError:
            raise Unavailable(f"{self.name} takes too long") from None
        if self._flights.get(key) is asyncio.current_task():  # else it was forgotten meanwhile
            await self.cache.set(self._key(key), self._packed(value), sum(self.times) * self._part())
        return value

    def _landed(self, key: str, flight: "asyncio.Task[T | None]") -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.cancelled() or (error := flight.exception()) is None:
            self._rests.pop(key, None)
            return
        now = self._seconds()
        if now < self._rests.get(key, 0.0):
            return  # said already
        trace = None if isinstance(error, Unavailable) else error
        log.warning("%s could not be made: %s", self._key(key), error, exc_info=trace)
        if len(self._rests) >= MAX_RESTS:
            self._rests.clear()
        self._rests[key] = now + PAUSE
