"""A cache that all processes share."""

from dataclasses import dataclass

from adapters.redis.client import Client
from adapters.redis.connection import RedisAway
from application.shared.caching import Cache

PREFIX = b"waggle:1:cache:"
LARGEST = 2 * 1024 * 1024
"""Bytes of a value: what is larger would hold up the connection."""


@dataclass(frozen=True, slots=True)
class RedisCache:
    """While Redis is away each process keeps for itself: what costs much must not be made for every request."""

    client: Client
    alone: Cache

    async def get(self, key: str) -> bytes | None:
        try:
            found = await self.client.call("GET", PREFIX + key.encode())
        except RedisAway:
            return await self.alone.get(key)
        return found if isinstance(found, bytes) else None

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        if len(value) > LARGEST:
            await self.delete(key)
            return
        try:
            await self.client.call("SET", PREFIX + key.encode(), value, "PX", max(1, round(ttl * 1000)))
        except RedisAway:
            await self.alone.set(key, value, ttl)

    async def delete(self, key: str) -> None:
        await self.alone.delete(key)
        try:
            await self.client.call("UNLINK", PREFIX + key.encode())
        except RedisAway:
            return
