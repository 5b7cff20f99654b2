"""A PostgreSQL database with the schema of Waggle, created once for all integration tests."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.servers import Server, fresh_database
from tests.port_contracts.stores import Stores, empty, migrated, sql


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: Server) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        yield asyncio.run(migrated(url))


@pytest.fixture
async def postgres_stores(migrated_postgres: str) -> AsyncIterator[Stores]:
    """The stores on PostgreSQL, initially empty."""
    async with sql(migrated_postgres) as some:
        yield some
    await empty(migrated_postgres)


@pytest.fixture
def stores(postgres_stores: Stores) -> Stores:
    return postgres_stores
