"""The readiness of a process: its result, and how often it checks."""

import asyncio
from typing import Any

import pytest

from entrypoints.readiness import Readiness


class Store:
    """A dependency that counts its checks."""

    def __init__(self) -> None:
        self.checks = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.error: Exception | None = None

    async def check(self) -> None:
        self.checks += 1
        await self.answers.wait()
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


async def test_concurrent_requests_share_one_check(store: Store) -> None:
    ready = readiness(store)
    store.answers.clear()
    asking = [asyncio.create_task(ready()) for _ in range(50)]
    await asyncio.sleep(0)
    store.answers.set()

    assert {report.status for report in await asyncio.gather(*asking)} == {"ok"}
    assert store.checks == 1


async def test_a_cancelled_request_does_not_cancel_the_check_for_others(store: Store) -> None:
    ready = readiness(store)
    store.answers.clear()
    first, second = (asyncio.create_task(ready()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    store.answers.set()

    assert (await second).status == "ok"
    assert first.cancelled()
    assert store.checks == 1


async def test_a_result_is_reused_for_a_second(store: Store, clock: list[float]) -> None:
    ready = readiness(store)
    assert (await ready()).status == "ok"
    store.error = ConnectionError()

    clock[0] += 0.9
    assert (await ready()).status == "ok"
    clock[0] += 0.2
    assert (await ready()).status == "unready"
    assert store.checks == 2


async def test_a_failed_optional_part_degrades(store: Store) -> None:
    soft = Store()
    soft.error = ConnectionError()

    report = await readiness(store, soft)()

    assert report.status == "degraded"
    assert report.checks == {"database": "ok", "redis": "ConnectionError"}


async def test_a_draining_process_is_unready_without_a_check(store: Store) -> None:
    report = await readiness(store, draining=lambda: True)()

    assert (report.status, report.checks) == ("unready", {"process": "draining"})
    assert store.checks == 0
