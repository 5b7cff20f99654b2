import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from domain.shared import UserId
from tests.port_contracts.stores import memory
from tests.unit.feeds_harness import TIMELINES, FeedsHarness, users
from tests.unit.media_app import MediaApp
from tests.unit.people import Waggle, waggle_in_memory


@pytest.fixture
async def waggle() -> AsyncIterator[Waggle]:
    """All use cases, on empty stores in memory."""
    async with waggle_in_memory() as waggle:
        yield waggle


@pytest.fixture
async def ann(waggle: Waggle) -> UserId:
    """A user of `waggle`."""
    return await waggle.new_user("ann")


@pytest.fixture
async def bob(waggle: Waggle) -> UserId:
    """Another user of `waggle`."""
    return await waggle.new_user("bob")


@pytest.fixture
def inline_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the work of `asyncio.to_thread` in the event loop: for short work, the change of threads costs far more."""

    async def inline(work: Callable[..., object], /, *arguments: object, **options: object) -> object:
        return work(*arguments, **options)

    monkeypatch.setattr(asyncio, "to_thread", inline)


@pytest.fixture
def media_app(tmp_path: Path) -> MediaApp:
    """The media use cases, on empty stores in memory."""
    return MediaApp(tmp_path)


@pytest.fixture(params=[*TIMELINES])
async def feeds(request: pytest.FixtureRequest) -> AsyncIterator[FeedsHarness]:
    """The use cases of feeds with six users, with each kind of timelines."""
    async with memory() as stores:
        yield FeedsHarness(stores, TIMELINES[request.param](), users(6))
