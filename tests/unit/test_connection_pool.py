"""The connection pool for single reads: bounded, without leaks, and each answer goes to its own read."""

import asyncio
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

import asyncpg
import pytest
from sqlalchemy import delete

from adapters.sql.connection_pool import ConnectionPool
from adapters.sql.database import Database
from adapters.sql.outbox import inbox
from domain.shared import Unavailable


@dataclass(eq=False)
class Connection:
    """A connection that echoes the query after `go` is set."""

    go: asyncio.Event
    closed: bool = False
    busy: bool = False

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        assert not self.busy, "two statements at the same time"
        self.busy = True
        await asyncio.sleep(0)
        await self.go.wait()
        self.busy = False
        if query == "wrong":
            raise asyncpg.PostgresSyntaxError("wrong")
        return [query, *values]

    async def execute(self, query: str, *values: Any) -> str:
        await self.fetch(query, *values)
        return query

    async def executemany(self, command: str, args: Any) -> None:
        await self.fetch(command, args)

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True


@dataclass
class Server:
    go: asyncio.Event = field(default_factory=asyncio.Event)
    connections: list[Connection] = field(default_factory=list)
    unavailable: bool = False

    async def connect(self) -> Connection:
        await asyncio.sleep(0)
        if self.unavailable:
            raise ConnectionRefusedError
        self.connections.append(Connection(self.go))
        return self.connections[-1]

    @property
    def open(self) -> int:
        return sum(not connection.closed for connection in self.connections)


async def until_all_wait() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_reads_share_a_few_connections_and_each_gets_its_answer() -> None:
    server = Server()
    pool = ConnectionPool("read", server.connect, 3, 5)
    reads = [asyncio.create_task(pool.fetch("n", [number])) for number in range(20)]
    await until_all_wait()
    server.go.set()

    assert await asyncio.gather(*reads) == [["n", number] for number in range(20)]
    assert server.open == 3


async def test_a_read_that_waits_too_long_times_out_without_a_leak() -> None:
    server = Server()
    pool = ConnectionPool("read", server.connect, 1, 0.01)
    first = asyncio.create_task(pool.fetch("first", []))
    await until_all_wait()

    with pytest.raises(TimeoutError):
        await pool.fetch("second", [])

    server.go.set()
    assert await first == ["first"]
    assert await pool.fetch("third", []) == ["third"]


async def test_a_cancelled_read_closes_its_connection_and_frees_its_slot() -> None:
    server = Server()
    pool = ConnectionPool("read", server.connect, 1, 5)
    cancelled = asyncio.create_task(pool.fetch("cancelled", []))
    await until_all_wait()
    waits = asyncio.create_task(pool.fetch("waits", []))
    await until_all_wait()

    cancelled.cancel()
    server.go.set()

    assert await waits == ["waits"]
    assert cancelled.cancelled()
    assert [connection.closed for connection in server.connections] == [True, False]


async def test_a_cancellation_at_any_moment_loses_nothing() -> None:
    for moment in range(12):
        server = Server()
        pool = ConnectionPool("read", server.connect, 2, 5)
        reads = [asyncio.create_task(pool.fetch("n", [number])) for number in range(6)]
        for step in range(12):
            if step == moment:
                server.go.set()
                for read in reads[::2]:
                    read.cancel()
            await asyncio.sleep(0)

        done = await asyncio.gather(*reads, return_exceptions=True)

        assert [done[number] for number in (1, 3, 5)] == [["n", 1], ["n", 3], ["n", 5]]
        again = await asyncio.gather(pool.fetch("a", []), pool.fetch("b", []), pool.fetch("c", []))
        assert [*again] == [["a"], ["b"], ["c"]]
        assert server.open <= 2


async def test_a_failed_connect_frees_its_slot() -> None:
    server = Server(unavailable=True)
    server.go.set()
    pool = ConnectionPool("read", server.connect, 2, 5)

    failed = await asyncio.gather(*(pool.fetch("n", []) for _ in range(7)), return_exceptions=True)

    assert [type(error) for error in failed] == [ConnectionRefusedError] * 7
    server.unavailable = False
    assert await pool.fetch("n", []) == ["n"]


async def test_a_connection_that_the_server_closed_is_not_reused() -> None:
    server = Server()
    server.go.set()
    pool = ConnectionPool("read", server.connect, 1, 5)
    await pool.fetch("n", [])
    server.connections[0].closed = True

    assert await pool.fetch("again", []) == ["again"]
    assert server.open == 1


async def test_an_error_of_the_server_does_not_close_the_connection() -> None:
    server = Server()
    server.go.set()
    pool = ConnectionPool("read", server.connect, 1, 5)

    with pytest.raises(asyncpg.PostgresSyntaxError):
        await pool.fetch("wrong", [])

    assert await pool.fetch("n", []) == ["n"]
    assert len(server.connections) == 1


async def test_a_transaction_that_is_cancelled_at_any_moment_gives_its_connection_back() -> None:
    for moment in range(24):
        server = Server()
        server.go.set()
        database = Database.at("postgresql://waggle@localhost/waggle")
        pool = ConnectionPool("write", server.connect, 2, 5)
        database._writer._pool = pool  # type: ignore[attr-defined]

        async def write(database: Database, *, fails: bool) -> None:
            async with database.begin() as transaction:
                await asyncio.sleep(0)
                await transaction.execute(delete(inbox))
                if fails:
                    raise ZeroDivisionError

        some = [asyncio.create_task(write(database, fails=number == 5)) for number in range(6)]
        for _ in range(moment):
            await asyncio.sleep(0)
        for task in some[::2]:
            task.cancel()
        await asyncio.gather(*some, return_exceptions=True)

        assert [type(some[number].exception()) for number in (1, 3, 5)] == [
            NoneType,
            NoneType,
            ZeroDivisionError,
        ]
        assert pool.state() == ("write", 2, 0, 0)
        assert not any(connection.busy for connection in server.connections if not connection.closed)
        assert server.open <= 2


async def test_a_closed_pool_refuses_those_that_wait_and_keeps_no_connection() -> None:
    server = Server()
    pool = ConnectionPool("read", server.connect, 1, 5)
    reads = [asyncio.create_task(pool.fetch("n", [number])) for number in range(3)]
    await until_all_wait()
    pool.close()
    server.go.set()

    done = await asyncio.gather(*reads, pool.fetch("late", []), return_exceptions=True)

    assert [type(error) for error in done[1:]] == [Unavailable] * 3
    assert server.open == 0


async def test_a_connection_that_opens_while_its_pool_closes_is_closed() -> None:
    server = Server()
    server.go.set()
    pool = ConnectionPool("read", server.connect, 1, 5)
    read = asyncio.create_task(pool.fetch("n", []))
    await asyncio.sleep(0)
    pool.close()

    with pytest.raises(Unavailable):
        await read
    assert len(server.connections) == 1
    assert server.open == 0
