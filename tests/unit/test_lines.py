"""Connections for single reads: bounded, none lost, and no answer given to another than who asked."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from adapters.sql.lines import Lines


@dataclass(eq=False)
class Wire:
    """A connection that answers what was asked, when it is told to."""

    go: asyncio.Event
    closed: bool = False
    busy: bool = False

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        assert not self.busy, "two statements at a time"
        self.busy = True
        await self.go.wait()
        self.busy = False
        if query == "wrong":
            raise asyncpg.PostgresSyntaxError("wrong")
        return [query, *values]

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True


@dataclass
class Server:
    go: asyncio.Event = field(default_factory=asyncio.Event)
    wires: list[Wire] = field(default_factory=list)
    away: bool = False

    async def connect(self) -> Wire:
        await asyncio.sleep(0)
        if self.away:
            raise ConnectionRefusedError
        self.wires.append(Wire(self.go))
        return self.wires[-1]

    @property
    def open(self) -> int:
        return sum(not wire.closed for wire in self.wires)


async def until_all_wait() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_reads_share_a_few_connections_and_each_gets_its_answer() -> None:
    server = Server()
    lines = Lines(server.connect, 3, 5)
    reads = [asyncio.create_task(lines.fetch("n", [number])) for number in range(20)]
    await until_all_wait()
    server.go.set()

    assert await asyncio.gather(*reads) == [["n", number] for number in range(20)]
    assert server.open == 3


async def test_who_waits_too_long_is_told_and_takes_nothing_along() -> None:
    server = Server()
    lines = Lines(server.connect, 1, 0.01)
    first = asyncio.create_task(lines.fetch("first", []))
    await until_all_wait()

    with pytest.raises(TimeoutError):
        await lines.fetch("second", [])

    server.go.set()
    assert await first == ["first"]
    assert await lines.fetch("third", []) == ["third"]


async def test_a_read_that_is_given_up_ends_its_connection_and_not_its_place() -> None:
    server = Server()
    lines = Lines(server.connect, 1, 5)
    given_up = asyncio.create_task(lines.fetch("given up", []))
    await until_all_wait()
    waits = asyncio.create_task(lines.fetch("waits", []))
    await until_all_wait()

    given_up.cancel()
    server.go.set()

    assert await waits == ["waits"]
    assert given_up.cancelled()
    assert [wire.closed for wire in server.wires] == [True, False]


async def test_cancelled_at_any_moment_nothing_is_lost() -> None:
    for moment in range(12):
        server = Server()
        lines = Lines(server.connect, 2, 5)
        reads = [asyncio.create_task(lines.fetch("n", [number])) for number in range(6)]
        for step in range(12):
            if step == moment:
                server.go.set()
                for read in reads[::2]:
                    read.cancel()
            await asyncio.sleep(0)

        done = await asyncio.gather(*reads, return_exceptions=True)

        assert [done[number] for number in (1, 3, 5)] == [["n", 1], ["n", 3], ["n", 5]]
        again = await asyncio.gather(lines.fetch("a", []), lines.fetch("b", []), lines.fetch("c", []))
        assert [*again] == [["a"], ["b"], ["c"]]
        assert server.open <= 2


async def test_a_server_that_is_away_leaves_no_place_taken() -> None:
    server = Server(away=True)
    server.go.set()
    lines = Lines(server.connect, 2, 5)

    failed = await asyncio.gather(*(lines.fetch("n", []) for _ in range(7)), return_exceptions=True)

    assert [type(error) for error in failed] == [ConnectionRefusedError] * 7
    server.away = False
    assert await lines.fetch("n", []) == ["n"]


async def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    server = Server()
    server.go.set()
    lines = Lines(server.connect, 1, 5)
    await lines.fetch("n", [])
    server.wires[0].closed = True

    assert await lines.fetch("again", []) == ["again"]
    assert server.open == 1


async def test_what_the_server_refuses_does_not_end_the_connection() -> None:
    server = Server()
    server.go.set()
    lines = Lines(server.connect, 1, 5)

    with pytest.raises(asyncpg.PostgresSyntaxError):
        await lines.fetch("wrong", [])

    assert await lines.fetch("n", []) == ["n"]
    assert len(server.wires) == 1
