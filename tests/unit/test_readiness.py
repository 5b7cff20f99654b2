"""/readyz: what it says, and how often it asks."""

import asyncio
from typing import Any

import pytest

from entrypoints.http.operations import Readiness


class Store:
    """A dependency that counts who asks for it."""

    def __init__(self) -> None:
        self.asked = 0
        self.there = asyncio.Event()
        self.there.set()
        self.error: Exception | None = None

    async def check(self) -> None:
        self.asked += 1
        await self.there.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
async def store() -> Store:
    return Store()


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0], raising=False)
    return now


def readiness(store: Store, soft: Store | None = None, draining: Any = lambda: False) -> Readiness:
    return Readiness({"database": store.check}, {"redis": soft.check} if soft else {}, draining)


async def test_many_who_ask_at_once_are_one_question(store: Store) -> None:
    ready = readiness(store)
    store.there.clear()
    asking = [asyncio.create_task(ready()) for _ in range(50)]
    await asyncio.sleep(0)
    store.there.set()

    assert {health.status for health in await asyncio.gather(*asking)} == {"ok"}
    assert store.asked == 1


async def test_who_goes_away_takes_the_answer_from_nobody(store: Store) -> None:
    ready = readiness(store)
    store.there.clear()
    first, second = (asyncio.create_task(ready()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    store.there.set()

    assert (await second).status == "ok"
    assert first.cancelled()
    assert store.asked == 1


async def test_an_answer_is_kept_for_a_second(store: Store, clock: list[float]) -> None:
    ready = readiness(store)
    assert (await ready()).status == "ok"
    store.error = ConnectionError()

    clock[0] += 0.9
    assert (await ready()).status == "ok"
    clock[0] += 0.2
    assert (await ready()).status == "unready"
    assert store.asked == 2


async def test_what_can_be_done_without_degrades(store: Store) -> None:
    soft = Store()
    soft.error = ConnectionError()

    health = await readiness(store, soft)()

    assert health.status == "degraded"
    assert health.checks == {"database": "ok", "redis": "ConnectionError"}


async def test_while_it_drains_nothing_is_asked(store: Store) -> None:
    health = await readiness(store, draining=lambda: True)()

    assert (health.status, health.checks) == ("unready", {"process": "draining"})
    assert store.asked == 0
