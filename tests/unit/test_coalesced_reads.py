"""The devices of a user read together what one hint tells them of."""

import asyncio
from typing import Any

import pytest

from application.notifications.read_stream import ReadCoalesced, StreamPage
from domain.shared import Unavailable, UserId

MAYA, WILLY = UserId(1), UserId(2)


class Readings:
    """Stands in for ReadAfter: each reading waits until it is let go."""

    def __init__(self) -> None:
        self.asked: list[tuple[UserId, int]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, user: UserId, last: int) -> Any:
        self.asked.append((user, last))
        number = len(self.asked)
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return number


def reads(readings: Readings) -> tuple[ReadCoalesced, Any]:
    together = ReadCoalesced(readings)  # type: ignore[arg-type]  # it is called like one

    def start(user: UserId, last: int) -> "asyncio.Task[StreamPage]":
        return asyncio.create_task(together(user, last))

    return together, start


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_at_once_for_the_same_is_answered_by_one_reading() -> None:
    readings = Readings()
    _, start = reads(readings)
    same = [start(MAYA, 7) for _ in range(10)]
    others = [start(MAYA, 6), start(WILLY, 7)]
    await turns()
    readings.go.set()
    assert await asyncio.gather(*same) == [1] * 10
    assert await asyncio.gather(*others) == [2, 3]
    assert readings.asked == [(MAYA, 7), (MAYA, 6), (WILLY, 7)]


async def test_nobody_joins_a_reading_that_has_begun() -> None:
    readings = Readings()
    _, start = reads(readings)
    early = start(MAYA, 7)
    await turns()
    late = start(MAYA, 7)
    await turns()
    readings.go.set()
    assert [await early, await late] == [1, 2]


async def test_who_leaves_takes_it_from_nobody() -> None:
    readings = Readings()
    _, start = reads(readings)
    leaving, staying = start(MAYA, 7), start(MAYA, 7)
    await turns()
    leaving.cancel()
    await turns()
    readings.go.set()
    assert await staying == 1
    assert leaving.cancelled()


async def test_all_hear_that_it_failed_and_the_next_try_is_a_new_one() -> None:
    readings = Readings()
    readings.error = Unavailable("the database is away")
    readings.go.set()
    together, start = reads(readings)
    for failing in [start(MAYA, 7), start(MAYA, 7)]:
        with pytest.raises(Unavailable):
            await failing
    readings.error = None
    again: Any = await together(MAYA, 7)
    assert again == 2
