"""The contract of caches. Each test uses its own keys, since a shared cache contains those of other tests."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.packed_cache import ByteCache

_keys = itertools.count()


def a_key() -> str:
    return f"contract:{next(_keys)}"


@dataclass
class CacheHarness:
    """A cache, and a function that lets time pass for it."""

    cache: ByteCache
    wait: Callable[[float], Awaitable[None]]


class CacheContract:
    async def test_a_cache_returns_the_value_stored_last(self, harness: CacheHarness) -> None:
        cache, key = harness.cache, a_key()
        await cache.set(key, b"first", 60)
        await cache.set(key, bytes(range(256)), 60)

        assert await cache.get(key) == bytes(range(256))

    async def test_an_unknown_key_is_a_miss(self, harness: CacheHarness) -> None:
        assert await harness.cache.get(a_key()) is None

    async def test_an_empty_value_is_not_a_miss(self, harness: CacheHarness) -> None:
        key = a_key()
        await harness.cache.set(key, b"", 60)

        assert await harness.cache.get(key) == b""

    async def test_similar_keys_are_distinct(self, harness: CacheHarness) -> None:
        key = a_key() + ":wörld"
        await harness.cache.set(key, b"one", 60)
        await harness.cache.set(f"{key} ", b"another", 60)

        assert await harness.cache.get(key) == b"one"
        assert await harness.cache.get(key.upper()) is None

    async def test_delete_removes_one_key_and_is_idempotent(self, harness: CacheHarness) -> None:
        key, other = a_key(), a_key()
        await harness.cache.set(key, b"one", 60)
        await harness.cache.set(other, b"another", 60)

        await harness.cache.delete(key)
        await harness.cache.delete(key)

        assert await harness.cache.get(key) is None
        assert await harness.cache.get(other) == b"another"

    async def test_a_value_expires(self, harness: CacheHarness) -> None:
        key, other = a_key(), a_key()
        await harness.cache.set(key, b"short", 0.25)
        await harness.cache.set(other, b"long", 60)

        await harness.wait(0.3)

        assert await harness.cache.get(key) is None
        assert await harness.cache.get(other) == b"long"

    async def test_setting_a_value_again_renews_its_lifetime(self, harness: CacheHarness) -> None:
        key = a_key()
        await harness.cache.set(key, b"one", 0.3)
        await harness.wait(0.2)
        await harness.cache.set(key, b"one", 60)

        await harness.wait(0.2)

        assert await harness.cache.get(key) == b"one"
