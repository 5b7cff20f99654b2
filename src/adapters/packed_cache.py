"""Cached values as bytes, in a form that shows when another version wrote them or a cache damaged them."""

import struct
import zlib
from dataclasses import dataclass
from typing import Protocol

from application.shared.caching import CachedValue

_SUM = struct.Struct(">I")
"""The checksum of the rest."""
_HEAD = struct.Struct(">2sIdd?")
"""The magic number, the schema, the time of the value and the end of its freshness (seconds since 1970), and whether there
is a value."""
_MAGIC = b"wg"


class ByteCache(Protocol):
    """Bytes by key, for all processes that share the cache.

    Best effort: a value may be evicted long before it expires, and an unavailable cache finds and stores nothing. No method
    raises in that case, and none waits longer than a fraction of a second.
    """

    async def get(self, key: str) -> bytes | None:
        """The value that was set last, if it is present and has not expired."""
        ...

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Replace the value, for at most `ttl` seconds (above 0). A value that is too large for the cache is not stored, and
        the earlier value is deleted."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the value; no effect if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class PackedCache:
    """A `Cache` on top of a cache of bytes."""

    cache: ByteCache

    async def get(self, key: str) -> CachedValue | None:
        raw = await self.cache.get(key)
        return None if raw is None else _unpack(raw)

    async def set(self, key: str, value: CachedValue, ttl: float) -> None:
        await self.cache.set(key, _pack(value), ttl)

    async def delete(self, key: str) -> None:
        await self.cache.delete(key)


def _pack(value: CachedValue) -> bytes:
    head = _HEAD.pack(_MAGIC, value.schema, value.made_at, value.fresh_until, value.content is not None)
    checked = head + (value.content or b"")
    return _SUM.pack(zlib.crc32(checked)) + checked


def _unpack(raw: bytes) -> CachedValue | None:
    """The value; None if it is damaged or in another form."""
    try:
        (checksum,) = _SUM.unpack_from(raw)
        magic, schema, made_at, fresh_until, has_content = _HEAD.unpack_from(raw, _SUM.size)
    except struct.error:
        return None
    if magic != _MAGIC or zlib.crc32(raw[_SUM.size :]) != checksum:
        return None
    return CachedValue(schema, made_at, fresh_until, raw[_SUM.size + _HEAD.size :] if has_content else None)
