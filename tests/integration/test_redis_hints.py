"""StreamHints between processes, over a Redis that may come and go."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.redis.address import Address
from adapters.redis.client import Client
from adapters.redis.notifications.hints import AT_ONCE, CHANNEL, RedisHints
from application.notifications.ports import StreamHint
from domain.shared import UserId
from tests.integration.servers import Server, Unavailable, redis
from tests.integration.test_redis import running, there

MAYA, JONAS = UserId(1), UserId(2**63 - 1)


@pytest.fixture(scope="module")
def server(note_server: Callable[[object], None]) -> Iterator[Server]:
    try:
        with redis() as server:
            note_server(server)
            yield server
    except Unavailable as reason:
        pytest.skip(f"not tested with Redis: {reason}")


class Process:
    """One that listens, and what it heard."""

    def __init__(self, client: Client, url: str) -> None:
        self.heard: list[tuple[list[UserId], StreamHint]] = []
        self.begun = 0
        self.anything = asyncio.Event()
        self.hints = RedisHints(client, Address.of(url), self)

    def wake(self, users: Collection[UserId], hint: StreamHint) -> None:
        self.heard.append(([*users], hint))
        self.anything.set()

    def wake_all(self) -> None:
        self.begun += 1
        self.anything.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.anything.clear()
                await self.anything.wait()


@asynccontextmanager
async def a_process(server: Server) -> AsyncIterator[Process]:
    async with running(server.url) as client:
        await there(client)
        process = Process(client, server.url)
        task = asyncio.create_task(process.hints.listen())
        try:
            await process.until(lambda: process.begun == 1)
            yield process
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_hint_reaches_every_process_and_its_own_once(server: Server) -> None:
    async with a_process(server) as one, a_process(server) as two:
        await one.hints.send_hint([MAYA, JONAS], StreamHint.STREAM)
        await two.hints.send_hint([JONAS], StreamHint.HOME)
        said = [([MAYA, JONAS], StreamHint.STREAM), ([JONAS], StreamHint.HOME)]

        for process in (one, two):
            await process.until(lambda process=process: len(process.heard) == 2)  # type: ignore[misc]
            await asyncio.sleep(0.05)  # its own would come now

        assert one.heard == said
        assert sorted(two.heard) == sorted(said)


async def test_very_many_are_told_in_several_messages(server: Server) -> None:
    users = [UserId(number) for number in range(1, 2 * AT_ONCE + 2)]
    async with a_process(server) as one, a_process(server) as two:
        await one.hints.send_hint(users, StreamHint.HOME)

        await two.until(lambda: len(two.heard) == 3)

    assert [user for some, _ in two.heard for user in some] == users


async def test_whoever_lost_the_connection_looks_at_everything_again(server: Server) -> None:
    async with a_process(server) as one, running(server.url) as other:
        await there(other)
        await other.call("CLIENT", "KILL", "TYPE", "pubsub")

        await one.until(lambda: one.begun == 2)
        await other.call("PUBLISH", CHANNEL, b"elsewhere" + b"?")
        await other.call("PUBLISH", CHANNEL, b"elsewher" + b"s" + b"no id")
        await other.call("PUBLISH", CHANNEL, b"elsewher" + b"s" + (7).to_bytes(8))

        await one.until(lambda: bool(one.heard))
    assert one.heard == [([7], StreamHint.STREAM)]


async def test_without_redis_this_process_is_woken(server: Server) -> None:
    client = Client(Address.of(server.url))  # which nobody connects
    process = Process(client, server.url)

    await process.hints.send_hint([MAYA], StreamHint.STREAM)

    assert process.heard == [([MAYA], StreamHint.STREAM)]
