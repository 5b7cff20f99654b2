"""Connections to PostgreSQL for single reads.

asyncpg's own pool makes a task to wait for a connection and another to give it back: measured, a trivial read
costs this process 66 to 76 µs through that pool, 28 on a connection, and 30 here.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg


class Line(Protocol):
    """What is used of an asyncpg connection."""

    async def fetch(self, query: str, *values: Any) -> list[Any]: ...
    def is_closed(self) -> bool: ...
    def terminate(self) -> None: ...


@dataclass(slots=True)
class Lines:
    """Up to `size` connections, each for one statement at a time, opened when they are wanted."""

    connect: Callable[[], Awaitable[Line]]
    size: int
    patience: float
    """Seconds that a read waits for a connection; then it raises TimeoutError."""
    _idle: list[Line] = field(default_factory=list)
    _all: set[Line] = field(default_factory=set)
    _places: int = 0
    """Taken by connections that are open or being opened."""
    _waiting: deque["asyncio.Future[Line | None]"] = field(default_factory=deque)
    """Each gets a connection, or a place to open one."""

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[Any]:
        line = await self._taken()
        try:
            return await line.fetch(sql, *values)
        except asyncpg.PostgresError:  # an answer, even if no good one
            raise
        except BaseException:  # given up half-way: what comes over it now would be taken for another's answer
            line.terminate()
            raise
        finally:
            self._leave(line)

    async def _taken(self) -> Line:
        while self._idle:
            line = self._idle.pop()
            if not line.is_closed():
                return line
            self._all.discard(line)
            self._places -= 1
        if self._places < self.size:
            self._places += 1
            return await self._opened()
        given: asyncio.Future[Line | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(given)
        try:
            async with asyncio.timeout(self.patience):
                found = await given
        except BaseException:
            if given.done() and not given.cancelled():  # it came at the very moment
                self._leave(given.result())
            raise
        return found or await self._opened()

    async def _opened(self) -> Line:
        try:
            line = await self.connect()
        except BaseException:
            self._leave(None)
            raise
        self._all.add(line)
        return line

    def _leave(self, line: Line | None) -> None:
        """A place is free, with its connection or without one."""
        if line is not None and line.is_closed():
            self._all.discard(line)
            line = None
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(line)
                return
        if line is None:
            self._places -= 1
        else:
            self._idle.append(line)

    def close(self) -> None:
        for line in self._all:
            line.terminate()
