"""A cache in the memory of this process."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

MAX_BYTES = 32 * 1024 * 1024
MAX_KEYS = 50_000
OVERHEAD = 250
"""The approximate memory of an entry besides its key and value, in bytes."""
MAX_SHARE = 8
"""A value may take at most one part in this many of the bytes."""


class _Value(NamedTuple):
    value: bytes
    until: float


class MemoryCache:
    """When it is full, the least recently used entries are evicted first."""

    def __init__(
        self, monotonic: Callable[[], float], max_bytes: int = MAX_BYTES, max_keys: int = MAX_KEYS
    ) -> None:
        self._now = monotonic
        self._max_bytes = max_bytes
        self._max_keys = max_keys
        self._values: OrderedDict[str, _Value] = OrderedDict()
        self._bytes = 0

    @property
    def size(self) -> tuple[int, int]:
        """The number of keys, and the bytes that are counted for them."""
        return len(self._values), self._bytes

    async def get(self, key: str) -> bytes | None:
        kept = self._values.get(key)
        if kept is None:
            return None
        if self._now() >= kept.until:
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return kept.value

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        self._drop(key)
        cost = _cost(key, value)
        if cost > self._max_bytes // MAX_SHARE:
            return
        self._values[key] = _Value(bytes(value), self._now() + ttl)
        self._bytes += cost
        while self._bytes > self._max_bytes or len(self._values) > self._max_keys:
            self._drop(next(iter(self._values)))

    async def delete(self, key: str) -> None:
        self._drop(key)

    def _drop(self, key: str) -> None:
        if (kept := self._values.pop(key, None)) is not None:
            self._bytes -= _cost(key, kept.value)


def _cost(key: str, value: bytes) -> int:
    return OVERHEAD + len(key.encode()) + len(value)
