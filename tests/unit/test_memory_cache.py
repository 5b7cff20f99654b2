"""The cache in memory: its contract, its size, and what it evicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.cache import MemoryCache
from tests.port_contracts.cache import CacheContract, CacheHarness
from tests.unit.clock import Time


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def harness(time: Time) -> CacheHarness:
    return CacheHarness(MemoryCache(time.monotonic), time.wait)


class TestCache(CacheContract): ...


async def test_the_least_recently_used_entry_is_evicted_first(time: Time) -> None:
    cache = MemoryCache(time.monotonic, max_keys=3)
    for key in ("a", "b", "c"):
        await cache.set(key, b"", 60)
    await cache.get("a")
    await cache.set("d", b"", 60)

    assert [await cache.get(key) for key in ("a", "b", "c", "d")] == [b"", None, b"", b""]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3000), st.integers(0, 2)), max_size=60))
async def test_a_cache_never_exceeds_its_size(steps: list[tuple[str, int, int]]) -> None:
    time = Time()
    cache = MemoryCache(time.monotonic, max_bytes=10_000, max_keys=4)

    for key, size, wait in steps:
        await cache.set(key, bytes(size), 1)
        await time.wait(wait / 2)
        if size % 7 == 0:
            await cache.delete(key)
        if size % 5 == 0:
            await cache.get(key)

        assert cache.size[0] <= 4
        assert cache.size[1] <= 10_000

    for key in "abcdef":
        await cache.delete(key)
    assert cache.size == (0, 0)


async def test_a_value_that_is_too_large_is_not_stored_and_evicts_nothing(time: Time) -> None:
    cache = MemoryCache(time.monotonic, max_bytes=8_000)
    await cache.set("small", b"1", 60)
    await cache.set("large", b"1", 60)

    await cache.set("large", bytes(1_000), 60)

    assert (await cache.get("small"), await cache.get("large")) == (b"1", None)
