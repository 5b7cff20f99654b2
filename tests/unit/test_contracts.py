"""The contracts of ports, kept by the stores in memory. `tests/integration/test_contracts.py` has the others."""

from collections.abc import AsyncIterator

import pytest

from tests.port_contracts.every_store import *  # noqa: F403 - tests to collect
from tests.port_contracts.stores import Stores, memory


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    async with memory() as some:
        yield some
