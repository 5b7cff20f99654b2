"""Stream hints between processes, with a Redis server that becomes unavailable."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress

from adapters.redis.address import Address
from adapters.redis.client import Client
from adapters.redis.notifications.hints import AT_ONCE, CHANNEL, RedisHints
from application.notifications.ports import StreamHint
from domain.shared import UserId
from tests.integration.redis_clients import running, until_available
from tests.integration.servers import Server

MAYA, JONAS = UserId(1), UserId(2**63 - 1)


class Process:
    """A process that records the hints that it gets."""

    def __init__(self, client: Client, url: str) -> None:
        self.received: list[tuple[list[UserId], StreamHint]] = []
        self.subscribed = 0
        self.changed = asyncio.Event()
        self.hints = RedisHints(client, Address.of(url), self)

    def wake(self, users: Collection[UserId], hint: StreamHint) -> None:
        self.received.append(([*users], hint))
        self.changed.set()

    def wake_all(self) -> None:
        self.subscribed += 1
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def a_process(redis_server: Server) -> AsyncIterator[Process]:
    async with running(redis_server.url) as client:
        await until_available(client)
        process = Process(client, redis_server.url)
        task = asyncio.create_task(process.hints.listen())
        try:
            await process.until(lambda: process.subscribed == 1)
            yield process
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_hint_reaches_every_process_once(redis_server: Server) -> None:
    async with a_process(redis_server) as one, a_process(redis_server) as two:
        await one.hints.send_hint([MAYA, JONAS], StreamHint.STREAM)
        await two.hints.send_hint([JONAS], StreamHint.HOME)
        said = [([MAYA, JONAS], StreamHint.STREAM), ([JONAS], StreamHint.HOME)]

        for process in (one, two):
            await process.until(lambda process=process: len(process.received) == 2)  # type: ignore[misc]
        # Redis delivers in order: the copy of a process's own hint would arrive before a later hint of the other.
        await one.hints.send_hint([JONAS], StreamHint.STREAM)
        await two.until(lambda: len(two.received) == 3)
        await two.hints.send_hint([MAYA], StreamHint.HOME)
        await one.until(lambda: len(one.received) == 4)

        later = [([JONAS], StreamHint.STREAM), ([MAYA], StreamHint.HOME)]
        assert one.received == said + later
        assert sorted(two.received) == sorted(said + later)


async def test_hints_for_many_users_are_split_into_messages(redis_server: Server) -> None:
    users = [UserId(number) for number in range(1, 2 * AT_ONCE + 2)]
    async with a_process(redis_server) as one, a_process(redis_server) as two:
        await one.hints.send_hint(users, StreamHint.HOME)

        await two.until(lambda: len(two.received) == 3)

    assert [user for some, _ in two.received for user in some] == users


async def test_a_lost_connection_wakes_all_listeners(redis_server: Server) -> None:
    async with a_process(redis_server) as one, running(redis_server.url) as other:
        await until_available(other)
        await other.call("CLIENT", "KILL", "TYPE", "pubsub")

        await one.until(lambda: one.subscribed == 2)
        await other.call("PUBLISH", CHANNEL, b"elsewhere" + b"?")
        await other.call("PUBLISH", CHANNEL, b"elsewher" + b"s" + b"no id")
        await other.call("PUBLISH", CHANNEL, b"elsewher" + b"s" + (7).to_bytes(8))

        await one.until(lambda: bool(one.received))
    assert one.received == [([7], StreamHint.STREAM)]


async def test_without_redis_this_process_still_gets_the_hint(redis_server: Server) -> None:
    client = Client(Address.of(redis_server.url))  # never connected
    process = Process(client, redis_server.url)

    await process.hints.send_hint([MAYA], StreamHint.STREAM)

    assert process.received == [([MAYA], StreamHint.STREAM)]
