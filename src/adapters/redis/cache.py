"""A cache that all processes share, in Redis."""

from dataclasses import dataclass

from adapters.packed_cache import ByteCache
from adapters.redis.client import Client
from adapters.redis.connection import RedisAway

PREFIX = b"waggle:1:cache:"
MAX_VALUE = 2 * 1024 * 1024
"""Bytes. A larger value would block the connection."""


@dataclass(frozen=True, slots=True)
class RedisCache:
    """While Redis is unavailable, each process caches for itself: expensive values must not be computed for every request."""

    client: Client
    fallback: ByteCache

    async def get(self, key: str) -> bytes | None:
        try:
            found = await self.client.call("GET", PREFIX + key.encode())
        except RedisAway:
            return await self.fallback.get(key)
        return found if isinstance(found, bytes) else None

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        if len(value) > MAX_VALUE:
            await self.delete(key)
            return
        try:
            await self.client.call("SET", PREFIX + key.encode(), value, "PX", max(1, round(ttl * 1000)))
        except RedisAway:
            await self.fallback.set(key, value, ttl)

    async def delete(self, key: str) -> None:
        await self.fallback.delete(key)
        try:
            await self.client.call("UNLINK", PREFIX + key.encode())
        except RedisAway:
            return
