"""ReadCoalesced: the devices of a user share one read."""

import asyncio
from typing import Any

import pytest

from application.notifications.read_stream import ReadCoalesced, StreamPage
from domain.shared import Unavailable, UserId

MAYA, WILLY = UserId(1), UserId(2)


class FakeReads:
    """Stands in for ReadAfter. Every read waits for `go`."""

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


def coalesced_reads(fake: FakeReads) -> tuple[ReadCoalesced, Any]:
    coalesced = ReadCoalesced(fake)  # type: ignore[arg-type]  # a callable of the same form

    def start(user: UserId, last: int) -> "asyncio.Task[StreamPage]":
        return asyncio.create_task(coalesced(user, last))

    return coalesced, start


async def run_pending_tasks() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_simultaneous_calls_for_the_same_entries_share_one_read() -> None:
    fake = FakeReads()
    _, start = coalesced_reads(fake)
    same = [start(MAYA, 7) for _ in range(10)]
    others = [start(MAYA, 6), start(WILLY, 7)]
    await run_pending_tasks()
    fake.go.set()
    assert await asyncio.gather(*same) == [1] * 10
    assert await asyncio.gather(*others) == [2, 3]
    assert fake.asked == [(MAYA, 7), (MAYA, 6), (WILLY, 7)]


async def test_a_call_does_not_join_a_read_that_has_begun() -> None:
    fake = FakeReads()
    _, start = coalesced_reads(fake)
    early = start(MAYA, 7)
    await run_pending_tasks()
    late = start(MAYA, 7)
    await run_pending_tasks()
    fake.go.set()
    assert [await early, await late] == [1, 2]


async def test_a_cancelled_call_does_not_cancel_the_read_for_others() -> None:
    fake = FakeReads()
    _, start = coalesced_reads(fake)
    leaving, staying = start(MAYA, 7), start(MAYA, 7)
    await run_pending_tasks()
    leaving.cancel()
    await run_pending_tasks()
    fake.go.set()
    assert await staying == 1
    assert leaving.cancelled()


async def test_all_callers_get_the_error_and_the_next_call_reads_again() -> None:
    fake = FakeReads()
    fake.error = Unavailable("the database is away")
    fake.go.set()
    coalesced, start = coalesced_reads(fake)
    for failing in [start(MAYA, 7), start(MAYA, 7)]:
        with pytest.raises(Unavailable):
            await failing
    fake.error = None
    again: Any = await coalesced(MAYA, 7)
    assert again == 2
