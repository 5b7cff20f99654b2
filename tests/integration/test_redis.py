"""What stands on Redis, with a Redis: the contracts, and what only a server that goes away can be asked."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.breaker import Breaker
from adapters.memory.cache import MemoryCache
from adapters.memory.limits import MemoryLimiter
from adapters.redis.address import Address
from adapters.redis.cache import LARGEST, RedisCache
from adapters.redis.client import Client
from adapters.redis.connection import MAX_BYTES, MAX_WAITING, Connection, RedisAway, RedisRefused
from adapters.redis.feeds import RedisTimelines
from adapters.redis.limits import RedisLimiter
from application.feeds.ports import MAX_TIMELINE_ENTRIES, TimelineSegment
from application.shared.limits import Rate
from domain.shared import MAX_ID
from tests.integration.servers import Server, Unavailable, clear, redis
from tests.port_contracts.cache import CacheContract, CacheHarness
from tests.port_contracts.limits import TEN, LimiterContract, LimiterHarness
from tests.port_contracts.timelines import ALL, TimelinesContract, a_reader, an_entry, entries, filled, ids

LONG = os.environ.get("WAGGLE_TEST_LONG", "") not in {"", "0"}


@pytest.fixture(scope="module")
def server(note_server: Callable[[object], None]) -> Iterator[Server]:
    try:
        with redis() as running:
            note_server(running)
            yield running
    except Unavailable as reason:
        pytest.skip(f"not tested with Redis: {reason}")


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Client]:
    client = Client(Address.of(url))
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def there(client: Client, patience: float = 5.0) -> None:
    """Wait until it is."""
    end = time.monotonic() + patience
    while True:
        try:
            await client.check()
        except RedisAway:
            assert time.monotonic() < end, "Redis does not come back"
            await asyncio.sleep(0.01)
        else:
            return


async def error_of(client: Client, *command: object) -> str:
    with pytest.raises(RedisAway) as raised:
        await client.call(*command)
    return str(raised.value)


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    clear(server)
    async with running(server.url) as client:
        await there(client)
        yield client


class TestTimelines(TimelinesContract):
    @pytest.fixture
    def timelines(self, client: Client) -> RedisTimelines:
        return RedisTimelines(client)

    async def test_garbage_is_no_timeline(self, client: Client, timelines: RedisTimelines) -> None:
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

    async def test_a_timeline_takes_bounded_space(self, client: Client, timelines: RedisTimelines) -> None:
        reader = await filled(timelines, 1)
        for id_ in range(2, 2_002):
            await timelines.push([reader], an_entry(id_))
        [key] = await client.call("KEYS", "waggle:*:timeline:*")

        assert await client.call("STRLEN", key) <= 24 * (2 * MAX_TIMELINE_ENTRIES + 2)
        assert ids(await timelines.read(reader, 1, ALL)) == [*range(2_001, 2_001 - MAX_TIMELINE_ENTRIES, -1)]

    async def test_who_reads_keeps_the_timeline_for_a_week(
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

    async def test_after_a_push_that_was_lost_no_timeline_is_believed(self, server: Server) -> None:
        """It may have been meant for any of them."""
        async with running(server.url) as client, running(server.url) as other_client:
            await asyncio.gather(there(client), there(other_client))
            timelines, others = RedisTimelines(client), RedisTimelines(other_client)
            reader = await filled(timelines, 9, 8)
            background = asyncio.create_task(timelines.renew_epochs())
            connection, client._connection = client._connection, None  # away, for this process

            await timelines.push([reader], an_entry(10))
            meanwhile = await timelines.read(reader, 1, ALL), await timelines.begin(reader, 1)
            client._connection = connection
            async with asyncio.timeout(2):
                while await others.read(reader, 1, ALL) is not None:  # noqa: ASYNC110 - another process tells nobody
                    await asyncio.sleep(0.01)

            assert meanwhile == (None, False)
            assert await timelines.begin(reader, 1) is True
            await timelines.fill(reader, 1, TimelineSegment(entries(10, 9, 8), 0, MAX_ID))
            assert ids(await others.read(reader, 1, ALL)) == [10, 9, 8]
            background.cancel()

    async def test_a_server_that_was_started_again_is_not_believed(
        self, client: Client, timelines: RedisTimelines
    ) -> None:
        """It may have come back with what it had a minute ago."""
        reader = await filled(timelines, 9, 8)

        client.run_id = "another"

        assert await timelines.read(reader, 1, ALL) is None

    async def test_all_may_be_lost_between_a_beginning_and_its_end(
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

    async def test_what_is_too_large_is_not_kept_nor_what_it_replaces(self, harness: CacheHarness) -> None:
        await harness.cache.set("large", b"small", 60)
        await harness.cache.set("large", bytes(LARGEST + 1), 60)

        assert await harness.cache.get("large") is None

    async def test_without_redis_each_process_keeps_for_itself(self) -> None:
        cache = RedisCache(Client(Address.of("redis://127.0.0.1:1")), MemoryCache(time.monotonic))
        await cache.set("kept", b"one", 60)
        await cache.set("deleted", b"another", 60)
        await cache.delete("deleted")

        assert [await cache.get("kept"), await cache.get("deleted")] == [b"one", None]


class TestLimiter(LimiterContract):
    @pytest.fixture
    def harness(self, client: Client) -> LimiterHarness:
        async def wait(seconds: float) -> None:
            """Redis has a clock of its own: instead of it, what is kept is moved."""
            for key in await client.call("KEYS", "waggle:*:limit:*"):
                whole_at = int(await client.call("GET", key)) - int(seconds * 1e6)
                await client.call("SET", key, whole_at)

        return LimiterHarness(RedisLimiter(client, MemoryLimiter(time.monotonic), lambda: 1), wait)

    async def test_a_budget_is_kept_as_long_as_it_is_not_whole(
        self, client: Client, harness: LimiterHarness
    ) -> None:
        await harness.limiter.take("someone", TEN, 5)
        [key] = await client.call("KEYS", "waggle:*:limit:ten:someone")

        assert 29_000 < await client.call("PTTL", key) <= 30_001

    async def test_garbage_shuts_nobody_out(self, client: Client, harness: LimiterHarness) -> None:
        await client.call("SET", "waggle:1:limit:ten:garbled", "9" * 30)
        await client.call("SET", "waggle:1:limit:ten:letters", "x")

        first = await harness.limiter.take("garbled", TEN)
        second = await harness.limiter.take("letters", TEN)

        assert (first.allowed, second.allowed) == (False, True)
        assert first.retry_after <= 6

    async def test_ap3_four_processes_together_let_in_as_many_as_there_may_be(self, server: Server) -> None:
        async def decisions() -> int:
            async with running(server.url) as client:
                await there(client)
                limiter = RedisLimiter(client, MemoryLimiter(time.monotonic), lambda: 1)
                taken = await asyncio.gather(*(limiter.take("together", TEN) for _ in range(80)))
                return sum(decision.allowed for decision in taken)

        admitted = sum(await asyncio.gather(*(decisions() for _ in range(4))))

        assert admitted in {10, 11}

    @pytest.mark.parametrize(("processes", "each"), [(1, 10), (3, 3), (20, 1)])
    async def test_ap3_without_redis_each_process_admits_its_share(self, processes: int, each: int) -> None:
        limiter = RedisLimiter(
            Client(Address.of("redis://127.0.0.1:1")), MemoryLimiter(time.monotonic), lambda: processes
        )

        decisions = await asyncio.gather(*(limiter.take("alone", TEN) for _ in range(80)))

        assert sum(decision.allowed for decision in decisions) == each

    async def test_ap3_a_share_is_enough_for_one_expensive_request(self) -> None:
        limiter = RedisLimiter(
            Client(Address.of("redis://127.0.0.1:1")), MemoryLimiter(time.monotonic), lambda: 20
        )

        decisions = [await limiter.take("alone", TEN, 5) for _ in range(2)]

        assert [decision.allowed for decision in decisions] == [True, False]


class TestClient:
    async def test_what_is_asked_at_once_is_answered_in_order(self, client: Client) -> None:
        values = [b"%d" % number for number in range(500)]

        assert await asyncio.gather(*(client.call("ECHO", value) for value in values)) == values

    async def test_an_error_is_told_and_harms_nobody_else(self, client: Client) -> None:
        good: object
        bad: object
        good, bad = await asyncio.gather(
            client.call("ECHO", "a"), client.call("NONSENSE"), return_exceptions=True
        )

        assert good == b"a"
        assert isinstance(bad, RedisRefused)
        assert await client.call("ECHO", "b") == b"b"

    async def test_another_password_is_refused(self, server: Server) -> None:
        url = server.url.replace("redis://:", "redis://:wrong", 1)
        async with running(url) as client:
            await asyncio.sleep(0.1)

            assert await error_of(client, "PING") == "Redis is away"

    async def test_another_database_holds_other_keys(self, server: Server, client: Client) -> None:
        async with running(server.url.removesuffix("/0") + "/3") as third:
            await there(third)
            await third.call("SET", "where", "third")

            assert await client.call("GET", "where") is None
            assert await third.call("GET", "where") == b"third"

    @pytest.mark.parametrize(("size", "commands"), [(1, 2 * MAX_WAITING), (MAX_BYTES // 4, 10)])
    async def test_what_waits_is_bounded(self, client: Client, size: int, commands: int) -> None:
        value = bytes(size)

        outcomes = await asyncio.gather(
            *(client.call("SETEX", "large", 1, value) for _ in range(commands)), return_exceptions=True
        )

        refused = [str(outcome) for outcome in outcomes if isinstance(outcome, RedisAway)]
        assert refused.count("too many commands wait for Redis") >= commands // 2

    async def test_re9_a_cancelled_command_hands_its_answer_to_nobody_else(self, client: Client) -> None:
        rounds = 10_000 if LONG else 2_000
        chance = random.Random(9)  # noqa: S311 - repeatable chance
        for number in range(100):
            await client.call("SET", f"canary:{number}", f"value-{number}")
        crossed, cancelled, answered = [], 0, 0

        async def read(number: int) -> None:
            nonlocal answered
            found = await client.call("GET", f"canary:{number}")
            answered += 1
            if found != b"value-%d" % number:
                crossed.append((number, found))

        for _ in range(rounds // 20):
            tasks = [asyncio.create_task(read(chance.randrange(100))) for _ in range(40)]
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(chance.choice((0, 0, 0.0001)))
            for task in chance.sample(tasks, 20):
                cancelled += task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        assert crossed == []
        assert cancelled > rounds / 10
        assert answered >= rounds

    async def test_re9_a_late_answer_is_nobody_elses(self, client: Client) -> None:
        """Redis holds the connection up for longer than anybody waits, and answers then."""
        late = asyncio.create_task(error_of(client, "BLPOP", "nothing", "0.4"))
        await asyncio.sleep(0)
        also_late = asyncio.create_task(error_of(client, "ECHO", "late"))

        told = await late, await also_late
        after = [await client.call("ECHO", "after"), await client.call("ECHO", "and after")]

        assert told == ("Redis took too long", "Redis took too long")
        assert after == [b"after", b"and after"]


@asynccontextmanager
async def a_black_hole() -> AsyncIterator[str]:
    """Accepts connections, and says nothing."""

    async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(nothing, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for writer in writers:
        writer.transport.abort()


class TestAway:
    async def test_re2_a_black_hole_costs_a_quarter_of_a_second(self) -> None:
        async with a_black_hole() as url:
            address = Address.of(url)
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(Breaker(time.monotonic), lambda: None), address.host, address.port
            )
            began = time.perf_counter()

            with pytest.raises(RedisAway):
                await connection.send("PING")

            assert 0.2 < time.perf_counter() - began < 0.4
            connection.close()

    async def test_re4_what_is_known_to_be_away_is_not_waited_for(self) -> None:
        async with a_black_hole() as url, running(url) as client:
            await asyncio.sleep(0.5)
            cache = RedisCache(client, MemoryCache(time.monotonic))
            limiter = RedisLimiter(client, MemoryLimiter(time.monotonic), lambda: 1)
            began = time.perf_counter()

            for _ in range(100):
                await cache.get("key")
                await limiter.take("key", Rate("some", 1000, 60))

            assert (time.perf_counter() - began) / 100 < 0.002

    async def test_re4_a_server_that_hangs_is_left_alone_and_found_again(self, client: Client) -> None:
        hung = [asyncio.create_task(error_of(client, "BLPOP", "nothing", "1.5"))]
        await asyncio.sleep(0.01)
        hung += [asyncio.create_task(error_of(client, "ECHO", "x")) for _ in range(10)]
        await asyncio.gather(*hung)
        began = time.perf_counter()
        told = await error_of(client, "ECHO", "x")
        took = time.perf_counter() - began

        await there(client, 10)

        assert (told, took < 0.002) == ("Redis is away", True)
        assert await client.call("ECHO", "back") == b"back"

    async def test_a_connection_that_ends_is_made_again(self, client: Client) -> None:
        [number] = [await client.call("CLIENT", "ID")]
        with suppress(RedisAway):
            await client.call("CLIENT", "KILL", "ID", number, "SKIPME", "no")
        await asyncio.sleep(0.05)

        await there(client)

        assert await client.call("CLIENT", "ID") != number
