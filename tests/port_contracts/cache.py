"""What every cache must do. Each test has its own keys: a shared cache keeps what others did."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from application.shared.caching import Cache

_keys = itertools.count()


def a_key() -> str:
    return f"contract:{next(_keys)}"


@dataclass
class Keeping:
    """A cache, and how to let time go by for it."""

    cache: Cache
    wait: Callable[[float], Awaitable[None]]


class CacheContract:
    async def test_what_was_set_last_is_there(self, keeping: Keeping) -> None:
        cache, key = keeping.cache, a_key()
        await cache.set(key, b"first", 60)
        await cache.set(key, bytes(range(256)), 60)

        assert await cache.get(key) == bytes(range(256))

    async def test_nothing_is_there_that_was_not_set(self, keeping: Keeping) -> None:
        assert await keeping.cache.get(a_key()) is None

    async def test_an_empty_value_is_a_value(self, keeping: Keeping) -> None:
        key = a_key()
        await keeping.cache.set(key, b"", 60)

        assert await keeping.cache.get(key) == b""

    async def test_keys_are_told_apart_to_the_last_letter(self, keeping: Keeping) -> None:
        key = a_key() + ":wörld"
        await keeping.cache.set(key, b"one", 60)
        await keeping.cache.set(f"{key} ", b"another", 60)

        assert await keeping.cache.get(key) == b"one"
        assert await keeping.cache.get(key.upper()) is None

    async def test_what_is_deleted_is_gone_and_may_be_deleted_again(self, keeping: Keeping) -> None:
        key, other = a_key(), a_key()
        await keeping.cache.set(key, b"one", 60)
        await keeping.cache.set(other, b"another", 60)

        await keeping.cache.delete(key)
        await keeping.cache.delete(key)

        assert await keeping.cache.get(key) is None
        assert await keeping.cache.get(other) == b"another"

    async def test_a_value_goes_when_its_time_is_over(self, keeping: Keeping) -> None:
        key, other = a_key(), a_key()
        await keeping.cache.set(key, b"short", 0.25)
        await keeping.cache.set(other, b"long", 60)

        await keeping.wait(0.3)

        assert await keeping.cache.get(key) is None
        assert await keeping.cache.get(other) == b"long"

    async def test_a_value_that_is_set_again_has_all_its_time(self, keeping: Keeping) -> None:
        key = a_key()
        await keeping.cache.set(key, b"one", 0.3)
        await keeping.wait(0.2)
        await keeping.cache.set(key, b"one", 60)

        await keeping.wait(0.2)

        assert await keeping.cache.get(key) == b"one"
