"""A PostgreSQL database with the schema of Waggle, created once for all integration tests, a Redis server, and a data folder."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.servers import Server, Unavailable, fresh_database, redis
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


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file. Copying it costs less than migrating."""
    path = tmp_path_factory.mktemp("template") / "waggle.db"
    asyncio.run(migrated(f"sqlite:///{path}"))
    return path


@pytest.fixture
async def sqlite_stores(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Stores]:
    async with sql(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'waggle.db')}") as some:
        yield some


@pytest.fixture
def stores(postgres_stores: Stores) -> Stores:
    return postgres_stores


@pytest.fixture(scope="module")
def redis_server(note_server: Callable[[object], None]) -> Iterator[Server]:
    try:
        with redis() as server:
            note_server(server)
            yield server
    except Unavailable as reason:
        pytest.skip(f"not tested with Redis: {reason}")


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A data folder that every user may read, so that only a layer can refuse access. It is not below the folder of pytest,
    because every new run of pytest closes that folder to other users."""
    with tempfile.TemporaryDirectory(prefix="waggle-confinement-") as name:
        folder = Path(name)
        (folder / "tmp/made").mkdir(parents=True)
        for file in ("secret.key", "waggle.db", "tmp/upload"):
            (folder / file).write_text("harmless")
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777)
        yield folder
