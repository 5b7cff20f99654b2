"""The adapters of Redis against a real server: the contracts, and what happens to invalid or lost data."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from adapters.memory.cache import MemoryCache
from adapters.memory.limits import MemoryLimiter
from adapters.redis.address import Address
from adapters.redis.cache import MAX_VALUE, RedisCache
from adapters.redis.client import Client
from adapters.redis.feeds import RedisTimelines
from adapters.redis.limits import RedisLimiter
from application.feeds.ports import MAX_TIMELINE_ENTRIES, TimelineSegment
from domain.shared import MAX_ID
from tests.integration.redis_clients import on_empty, running, until_available
from tests.integration.servers import Server
from tests.port_contracts.cache import CacheContract, CacheHarness
from tests.port_contracts.limits import TEN, LimiterContract, LimiterHarness
from tests.port_contracts.timelines import ALL, TimelinesContract, a_reader, an_entry, entries, filled, ids


@pytest.fixture
async def client(redis_server: Server) -> AsyncIterator[Client]:
    async with on_empty(redis_server) as client:
        yield client


class TestTimelines(TimelinesContract):
    @pytest.fixture
    def timelines(self, client: Client) -> RedisTimelines:
        return RedisTimelines(client)

    async def test_invalid_data_is_not_a_timeline(self, client: Client, timelines: RedisTimelines) -> None:
        reader = await filled(timelines, 9, 8)
        [key] = await client.call("KEYS", "waggle:*:timeline:*")
        good = await client.call("GET", key)
        pages = []
        for bad in (good[:-1], good[:-24] + good[-48:-24], b"x" * 80, good[:30], b"", good + b"\xff" * 24):
            await client.call("SET", key, bad)
            pages.append(await timelines.read(reader, 1, ALL))
        await client.call("DEL", key)
        await client.call("LPUSH", key, "a list")
        pages.append(await timelines.read(reader, 1, ALL))
        await timelines.push([reader], an_entry(10))

        await timelines.begin(reader, 1)
        await timelines.fill(reader, 1, TimelineSegment(entries(7), 0, MAX_ID))

        assert pages == [None] * 7
        assert ids(await timelines.read(reader, 1, ALL)) == [7]

    async def test_a_timeline_has_a_maximum_size(self, client: Client, timelines: RedisTimelines) -> None:
        reader = await filled(timelines, 1)
        for id_ in range(2, 2_002):
            await timelines.push([reader], an_entry(id_))
        [key] = await client.call("KEYS", "waggle:*:timeline:*")

        assert await client.call("STRLEN", key) <= 24 * (2 * MAX_TIMELINE_ENTRIES + 2)
        assert ids(await timelines.read(reader, 1, ALL)) == [*range(2_001, 2_001 - MAX_TIMELINE_ENTRIES, -1)]

    async def test_reading_extends_the_lifetime_to_a_week(
        self, client: Client, timelines: RedisTimelines
    ) -> None:
        reader = await filled(timelines, 9)
        [key] = await client.call("KEYS", "waggle:*:timeline:*")
        await client.call("EXPIRE", key, 5)
        await timelines.push([reader], an_entry(10))
        after_push = await client.call("TTL", key)

        await timelines.read(reader, 1, ALL)

        assert after_push <= 5
        assert await client.call("TTL", key) > 6 * 24 * 3600

    async def test_a_lost_push_invalidates_all_timelines(self, redis_server: Server) -> None:
        """It may have been for any of them."""
        async with running(redis_server.url) as client, running(redis_server.url) as other_client:
            await asyncio.gather(until_available(client), until_available(other_client))
            timelines, others = RedisTimelines(client), RedisTimelines(other_client)
            reader = await filled(timelines, 9, 8)
            background = asyncio.create_task(timelines.renew_epochs())
            connection, client._connection = client._connection, None  # unavailable to this process

            await timelines.push([reader], an_entry(10))
            meanwhile = await timelines.read(reader, 1, ALL), await timelines.begin(reader, 1)
            client._connection = connection
            async with asyncio.timeout(2):
                while await others.read(reader, 1, ALL) is not None:  # noqa: ASYNC110 - there is no event from another process
                    await asyncio.sleep(0.01)

            assert meanwhile == (None, False)
            assert await timelines.begin(reader, 1) is True
            await timelines.fill(reader, 1, TimelineSegment(entries(10, 9, 8), 0, MAX_ID))
            assert ids(await others.read(reader, 1, ALL)) == [10, 9, 8]
            background.cancel()

    async def test_a_restarted_server_invalidates_all_timelines(
        self, client: Client, timelines: RedisTimelines
    ) -> None:
        """It may have the data of a minute ago."""
        reader = await filled(timelines, 9, 8)

        client.run_id = "another"

        assert await timelines.read(reader, 1, ALL) is None

    async def test_data_may_be_lost_between_begin_and_fill(
        self, client: Client, timelines: RedisTimelines
    ) -> None:
        reader = a_reader()
        await timelines.begin(reader, 1)
        await client.call("FLUSHALL")
        await client.call("SCRIPT", "FLUSH")

        await timelines.fill(reader, 1, TimelineSegment(entries(9), 0, MAX_ID))

        assert await timelines.read(reader, 1, ALL) is None


class TestCache(CacheContract):
    @pytest.fixture
    def harness(self, client: Client) -> CacheHarness:
        return CacheHarness(RedisCache(client, MemoryCache(time.monotonic)), asyncio.sleep)

    async def test_a_value_that_is_too_large_is_not_stored_and_replaces_nothing(
        self, harness: CacheHarness
    ) -> None:
        await harness.cache.set("large", b"small", 60)
        await harness.cache.set("large", bytes(MAX_VALUE + 1), 60)

        assert await harness.cache.get("large") is None

    async def test_without_redis_each_process_has_its_own_cache(self) -> None:
        cache = RedisCache(Client(Address.of("redis://127.0.0.1:1")), MemoryCache(time.monotonic))
        await cache.set("kept", b"one", 60)
        await cache.set("deleted", b"another", 60)
        await cache.delete("deleted")

        assert [await cache.get("kept"), await cache.get("deleted")] == [b"one", None]


class TestLimiter(LimiterContract):
    @pytest.fixture
    def harness(self, client: Client) -> LimiterHarness:
        async def wait(seconds: float) -> None:
            """Redis has its own clock, so the stored times are moved instead."""
            for key in await client.call("KEYS", "waggle:*:limit:*"):
                whole_at = int(await client.call("GET", key)) - int(seconds * 1e6)
                await client.call("SET", key, whole_at)

        return LimiterHarness(RedisLimiter(client, MemoryLimiter(time.monotonic), lambda: 1), wait)

    async def test_a_budget_expires_when_it_is_full_again(
        self, client: Client, harness: LimiterHarness
    ) -> None:
        await harness.limiter.take("someone", TEN, 5)
        [key] = await client.call("KEYS", "waggle:*:limit:ten:someone")

        assert 29_000 < await client.call("PTTL", key) <= 30_001

    async def test_invalid_data_locks_nobody_out(self, client: Client, harness: LimiterHarness) -> None:
        await client.call("SET", "waggle:1:limit:ten:garbled", "9" * 30)
        await client.call("SET", "waggle:1:limit:ten:letters", "x")

        first = await harness.limiter.take("garbled", TEN)
        second = await harness.limiter.take("letters", TEN)

        assert (first.allowed, second.allowed) == (False, True)
        assert first.retry_after <= 6

    async def test_four_processes_share_one_limit(self, redis_server: Server) -> None:
        async def decisions() -> int:
            async with running(redis_server.url) as client:
                await until_available(client)
                limiter = RedisLimiter(client, MemoryLimiter(time.monotonic), lambda: 1)
                taken = await asyncio.gather(*(limiter.take("together", TEN) for _ in range(80)))
                return sum(decision.allowed for decision in taken)

        admitted = sum(await asyncio.gather(*(decisions() for _ in range(4))))

        assert admitted in {10, 11}

    @pytest.mark.parametrize(("processes", "each"), [(1, 10), (3, 3), (20, 1)])
    async def test_without_redis_each_process_allows_its_share(self, processes: int, each: int) -> None:
        limiter = RedisLimiter(
            Client(Address.of("redis://127.0.0.1:1")), MemoryLimiter(time.monotonic), lambda: processes
        )

        decisions = await asyncio.gather(*(limiter.take("alone", TEN) for _ in range(80)))

        assert sum(decision.allowed for decision in decisions) == each

    async def test_a_share_allows_at_least_one_expensive_request(self) -> None:
        limiter = RedisLimiter(
            Client(Address.of("redis://127.0.0.1:1")), MemoryLimiter(time.monotonic), lambda: 20
        )

        decisions = [await limiter.take("alone", TEN, 5) for _ in range(2)]

        assert [decision.allowed for decision in decisions] == [True, False]
