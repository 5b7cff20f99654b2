"""The Redis client: order of answers, cancellation, limits, and a server that is unavailable or silent."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.breaker import Breaker
from adapters.memory.cache import MemoryCache
from adapters.memory.limits import MemoryLimiter
from adapters.redis.address import Address
from adapters.redis.cache import RedisCache
from adapters.redis.client import Client
from adapters.redis.connection import MAX_BYTES, MAX_PENDING, Connection, RedisAway, RedisRefused
from adapters.redis.limits import RedisLimiter
from application.shared.limits import Rate
from tests.integration.redis_clients import error_message, on_empty, running, until_available
from tests.integration.servers import Server

LONG = os.environ.get("WAGGLE_TEST_LONG", "") not in {"", "0"}


@pytest.fixture
async def client(redis_server: Server) -> AsyncIterator[Client]:
    async with on_empty(redis_server) as client:
        yield client


class TestClient:
    async def test_concurrent_commands_are_answered_in_order(self, client: Client) -> None:
        values = [b"%d" % number for number in range(500)]

        assert await asyncio.gather(*(client.call("ECHO", value) for value in values)) == values

    async def test_an_error_affects_its_own_command_only(self, client: Client) -> None:
        good: object
        bad: object
        good, bad = await asyncio.gather(
            client.call("ECHO", "a"), client.call("NONSENSE"), return_exceptions=True
        )

        assert good == b"a"
        assert isinstance(bad, RedisRefused)
        assert await client.call("ECHO", "b") == b"b"

    async def test_a_wrong_password_is_refused(self, redis_server: Server) -> None:
        url = redis_server.url.replace("redis://:", "redis://:wrong", 1)
        async with running(url) as client:
            await asyncio.sleep(
                0.1
            )  # real time must pass: with the right password it would be connected then

            assert await error_message(client, "PING") == "Redis is unavailable"

    async def test_databases_have_separate_keys(self, redis_server: Server, client: Client) -> None:
        async with running(redis_server.url.removesuffix("/0") + "/3") as third:
            await until_available(third)
            await third.call("SET", "where", "third")

            assert await client.call("GET", "where") is None
            assert await third.call("GET", "where") == b"third"

    @pytest.mark.parametrize(("size", "commands"), [(1, 2 * MAX_PENDING), (MAX_BYTES // 4, 10)])
    async def test_waiting_commands_are_limited(self, client: Client, size: int, commands: int) -> None:
        value = bytes(size)

        outcomes = await asyncio.gather(
            *(client.call("SETEX", "large", 1, value) for _ in range(commands)), return_exceptions=True
        )

        refused = [str(outcome) for outcome in outcomes if isinstance(outcome, RedisAway)]
        assert refused.count("too many commands are waiting for Redis") >= commands // 2

    async def test_the_answer_of_a_cancelled_command_goes_to_no_other(self, client: Client) -> None:
        """RE-9."""
        rounds = 10_000 if LONG else 2_000
        chance = random.Random(9)  # noqa: S311 - reproducible
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

    async def test_a_late_answer_goes_to_no_other_command(self, client: Client) -> None:
        """RE-9: Redis holds the connection up for longer than the timeout, and then answers."""
        late = asyncio.create_task(error_message(client, "BLPOP", "nothing", "0.4"))
        await asyncio.sleep(0)
        also_late = asyncio.create_task(error_message(client, "ECHO", "late"))

        errors = await late, await also_late
        after = [await client.call("ECHO", "after"), await client.call("ECHO", "and after")]

        assert errors == ("Redis took too long", "Redis took too long")
        assert after == [b"after", b"and after"]


@asynccontextmanager
async def a_silent_server() -> AsyncIterator[str]:
    """Accepts connections and never answers."""

    async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(nothing, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for writer in writers:
        writer.transport.abort()


class TestUnavailable:
    async def test_a_silent_server_costs_a_quarter_of_a_second(self) -> None:
        """RE-2."""
        async with a_silent_server() as url:
            address = Address.of(url)
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(Breaker(time.monotonic), lambda: None), address.host, address.port
            )
            began = time.perf_counter()

            with pytest.raises(RedisAway):
                await connection.send("PING")

            assert 0.2 < time.perf_counter() - began < 0.4
            connection.close()

    async def test_a_server_known_to_be_unavailable_is_not_waited_for(self) -> None:
        """RE-4."""
        async with a_silent_server() as url, running(url) as client:
            async with asyncio.timeout(5):
                while client._logged_available is not False:  # noqa: ASYNC110 - the first call takes too long
                    await asyncio.sleep(0.01)
            cache = RedisCache(client, MemoryCache(time.monotonic))
            limiter = RedisLimiter(client, MemoryLimiter(time.monotonic), lambda: 1)
            began = time.perf_counter()

            for _ in range(100):
                await cache.get("key")
                await limiter.take("key", Rate("some", 1000, 60))

            assert (time.perf_counter() - began) / 100 < 0.002

    async def test_a_hanging_server_is_skipped_until_it_answers_again(self, client: Client) -> None:
        """RE-4."""
        hung = [asyncio.create_task(error_message(client, "BLPOP", "nothing", "1.5"))]
        await asyncio.sleep(0)  # this command is sent before the others
        hung += [asyncio.create_task(error_message(client, "ECHO", "x")) for _ in range(10)]
        await asyncio.gather(*hung)
        began = time.perf_counter()
        errors = await error_message(client, "ECHO", "x")
        took = time.perf_counter() - began

        await until_available(client, 10)

        assert (errors, took < 0.002) == ("Redis is unavailable", True)
        assert await client.call("ECHO", "back") == b"back"

    async def test_a_closed_connection_is_reopened(self, client: Client) -> None:
        [number] = [await client.call("CLIENT", "ID")]
        with suppress(RedisAway):
            await client.call("CLIENT", "KILL", "ID", number, "SKIPME", "no")

        async with asyncio.timeout(5):
            while (current := await self._connection_id(client)) in {None, number}:  # noqa: ASYNC110 - no event says that it is closed
                await asyncio.sleep(0.01)

        assert current != number
        assert await client.call("ECHO", "back") == b"back"

    @staticmethod
    async def _connection_id(client: Client) -> object:
        """None while Redis is unavailable."""
        with suppress(RedisAway):
            return await client.call("CLIENT", "ID")
        return None
