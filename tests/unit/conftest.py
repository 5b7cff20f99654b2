from collections.abc import AsyncIterator

import pytest

from tests.unit.people import Waggle, waggle_in_memory


@pytest.fixture
async def waggle() -> AsyncIterator[Waggle]:
    """All use cases, on empty stores in memory."""
    async with waggle_in_memory() as waggle:
        yield waggle
