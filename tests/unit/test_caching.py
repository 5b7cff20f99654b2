"""Cached values that are computed again when they are old."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.cache import MemoryCache
from adapters.packed_cache import PackedCache
from application.shared.caching import JITTER, RETRY_PAUSE, SKEW, Cached, Codec, Times
from application.shared.readings import Reading, Readings
from domain.shared import Unavailable
from tests.unit.clock import Time


class Source:
    """Computes the values. While it is closed, computations wait until it is opened."""

    def __init__(self, value: str | None = "the value") -> None:
        self.value = value
        self.asked = 0
        self.error: Exception | None = None
        self._open = asyncio.Event()
        self._open.set()

    async def __call__(self) -> str | None:
        self.asked += 1
        value, error = self.value, self.error
        await self._open.wait()
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()


TEXT = Codec(1, str.encode, bytes.decode)
TIMES = Times(fresh=60, stale=600)
KEY = "a key"


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def cache(time: Time) -> MemoryCache:
    return MemoryCache(time.monotonic)


@pytest.fixture
def cached(time: Time, cache: MemoryCache) -> Cached[str]:
    return a_process(time, cache)


@pytest.fixture
def source() -> Source:
    return Source()


def a_process(
    time: Time, cache: MemoryCache, codec: Codec[str] = TEXT, *, chance: float = 0.0
) -> Cached[str]:
    return Cached("tests", PackedCache(cache), codec, TIMES, time, lambda: chance)


async def settle() -> None:
    """Let background work proceed as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_value_is_computed_once_and_then_cached(
    cached: Cached[str], source: Source, time: Time
) -> None:
    values = [await cached.get(KEY, source)]
    await time.wait(59)
    values.append(await cached.get(KEY, source))

    assert (values, source.asked) == (["the value", "the value"], 1)


async def test_the_absence_of_a_value_is_cached(cached: Cached[str]) -> None:
    nothing = Source(None)

    values = [await cached.get(KEY, nothing) for _ in range(3)]

    assert (values, nothing.asked) == ([None] * 3, 1)


async def test_re11_concurrent_callers_share_one_computation(cached: Cached[str], source: Source) -> None:
    source.close()
    asking = [asyncio.create_task(cached.get(KEY, source)) for _ in range(200)]
    await settle()
    source.open()

    assert set(await asyncio.gather(*asking)) == {"the value"}
    assert source.asked == 1


async def test_re11_a_cancelled_caller_does_not_cancel_the_computation(
    cached: Cached[str], source: Source
) -> None:
    source.close()
    first, second = (asyncio.create_task(cached.get(KEY, source)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    source.open()

    assert await second == "the value"
    assert first.cancelled()
    assert source.asked == 1


async def test_re11_a_stale_value_is_served_during_a_refresh(
    cached: Cached[str], source: Source, time: Time
) -> None:
    await cached.get(KEY, source)
    await time.wait(61)
    source.value = "a newer value"
    source.close()

    served = [await cached.get(KEY, source) for _ in range(50)]
    await settle()
    source.open()
    await settle()

    assert set(served) == {"the value"}
    assert await cached.get(KEY, source) == "a newer value"
    assert source.asked == 2


async def test_an_expired_value_is_computed_again(cached: Cached[str], source: Source, time: Time) -> None:
    await cached.get(KEY, source)
    await time.wait(661)
    source.value = "a newer value"

    assert await cached.get(KEY, source) == "a newer value"


async def test_re11_a_failed_refresh_keeps_the_old_value_and_is_logged_once(
    cached: Cached[str], source: Source, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    await cached.get(KEY, source)
    await time.wait(61)
    source.error = Unavailable("the database does not answer")

    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            assert await cached.get(KEY, source) == "the value"
            await settle()

    assert source.asked == 2
    assert [record.getMessage() for record in caplog.records] == [
        "tests:a key could not be computed: the database does not answer"
    ]


async def test_re11_a_failed_refresh_is_retried_after_a_pause(
    cached: Cached[str], source: Source, time: Time
) -> None:
    await cached.get(KEY, source)
    await time.wait(61)
    source.error = Unavailable("the database does not answer")
    await cached.get(KEY, source)
    await settle()

    source.error, source.value = None, "a newer value"
    await time.wait(RETRY_PAUSE)
    await cached.get(KEY, source)
    await settle()

    assert await cached.get(KEY, source) == "a newer value"


async def test_an_error_is_raised_to_callers_and_not_cached(cached: Cached[str], source: Source) -> None:
    source.error = Unavailable("the database does not answer")
    with pytest.raises(Unavailable):
        await cached.get(KEY, source)

    source.error = None
    assert await cached.get(KEY, source) == "the value"


async def test_re11_values_of_the_same_age_do_not_expire_together(
    time: Time, cache: MemoryCache, source: Source
) -> None:
    await a_process(time, cache, chance=0.0).get("late", source)
    await a_process(time, cache, chance=1.0).get("early", source)
    await time.wait(60 * (1 - JITTER))

    reader = a_process(time, cache)
    for key in ("late", "early"):
        await reader.get(key, source)
    await settle()

    assert source.asked == 3


async def test_re11_values_of_another_schema_are_ignored(
    time: Time, cache: MemoryCache, source: Source
) -> None:
    await a_process(time, cache).get(KEY, source)

    newer = a_process(time, cache, TEXT._replace(schema=2))

    assert await newer.get(KEY, source) == "the value"
    assert source.asked == 2


@given(st.data())
async def test_re11_corrupt_values_are_ignored(data: st.DataObject) -> None:
    time, source = Time(), Source()
    cache = MemoryCache(time.monotonic)
    await a_process(time, cache).get(KEY, source)
    good = await cache.get(f"tests:{KEY}")
    assert good is not None
    at = data.draw(st.integers(0, len(good) - 1))
    bad = data.draw(
        st.one_of(
            st.binary(max_size=80),
            st.just(good[:at]),
            st.builds(lambda byte: good[:at] + bytes([byte]) + good[at + 1 :], st.integers(0, 255)),
        ).filter(lambda raw: raw != good)
    )
    await cache.set(f"tests:{KEY}", bad, 600)
    source.value = "made anew"

    value = await a_process(time, cache).get(KEY, source)

    assert value == "made anew"


async def test_values_that_the_codec_cannot_read_are_ignored(
    time: Time, cache: MemoryCache, source: Source
) -> None:
    await a_process(time, cache, TEXT._replace(dump=lambda _: b"\xff")).get(KEY, source)

    assert await a_process(time, cache).get(KEY, source) == "the value"
    assert source.asked == 2


async def test_values_from_a_wrong_clock_are_ignored(time: Time, cache: MemoryCache, source: Source) -> None:
    await time.wait(SKEW + 1)
    await a_process(time, cache).get(KEY, source)
    await time.wait(-SKEW - 1)

    await a_process(time, cache).get(KEY, source)

    assert source.asked == 2


async def test_a_forgotten_value_is_computed_again(cached: Cached[str], source: Source) -> None:
    await cached.get(KEY, source)
    source.value = "a newer value"

    await cached.forget(KEY)

    assert await cached.get(KEY, source) == "a newer value"


async def test_a_value_that_is_forgotten_during_its_computation_is_not_cached(
    cached: Cached[str], source: Source
) -> None:
    source.close()
    before = asyncio.create_task(cached.get(KEY, source))
    await settle()
    source.value = "a newer value"

    await cached.forget(KEY)
    after = asyncio.create_task(cached.get(KEY, source))
    await settle()
    source.open()

    assert (await before, await after) == ("the value", "a newer value")
    assert await cached.get(KEY, source) == "a newer value"
    assert source.asked == 2


async def test_a_refresh_computes_only_values_that_are_not_fresh(
    time: Time, cache: MemoryCache, source: Source
) -> None:
    one, other = a_process(time, cache), a_process(time, cache)

    made = [await one.refresh(KEY, source), await other.refresh(KEY, source)]
    await time.wait(61)
    made.append(await other.refresh(KEY, source))

    assert (made, source.asked) == ([True, False, True], 2)


async def test_a_stored_value_can_be_peeked_at_until_it_expires(cached: Cached[str], time: Time) -> None:
    await cached.put(KEY, "put there")

    seen = [await cached.peek(KEY), await cached.peek("another key")]
    await time.wait(659)
    seen.append(await cached.peek(KEY))
    await time.wait(1)
    seen.append(await cached.peek(KEY))

    assert seen == ["put there", None, "put there", None]


def _kept(readings: Readings, reading: Reading | None) -> Reading:
    assert reading is not None
    assert readings.keep(reading)
    return reading


async def test_a_reading_holds_until_the_value_is_replaced_or_no_longer_fresh(
    time: Time, cached: Cached[str], source: Source
) -> None:
    readings = Readings()
    readings.is_current = lambda: True

    async def read() -> Reading | None:
        with readings.reading() as reading:
            await cached.get(KEY, source)
        return reading

    first = await read()
    assert first is not None
    assert not readings.keep(first), "the value was computed for it"
    kept = _kept(readings, await read())
    assert readings.why_outdated(kept) == ""

    await time.wait(1)
    assert readings.why_outdated(kept) == ""
    await cached.put(KEY, "another value")
    assert readings.why_outdated(kept) == "cached value"

    kept = _kept(readings, await read())
    await cached.forget(KEY)
    assert readings.why_outdated(kept) == "cached value"

    await cached.get(KEY, source)
    kept = _kept(readings, await read())
    await time.wait(TIMES.fresh)
    assert readings.why_outdated(kept) == "cached value"
    stale = await read()
    assert stale is not None
    assert not readings.keep(stale)
