"""The modules that a server in the embedded shape loads. Every module takes time at the start, and memory until the end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NOT_LOADED = (
    # Stores and services that this shape has not.
    "adapters.memory.posts",
    "adapters.memory.store",
    "adapters.redis.client",
    "adapters.sql.postgres",
    "adapters.storage.s3",
    "asyncpg",
    "hiredis",
    "minio",
    "redis",
    # SQLAlchemy only builds statements: it has no connections, except for migrations.
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
    # Mail, unless a server for it is configured.
    "adapters.mail.smtp",
    "aiosmtplib",
    # Migrations, unless there is something to migrate.
    "alembic",
    "mako",
    # Traces and metrics, unless they are on.
    "opentelemetry",
    "prometheus_client",
    # Pictures and films, which only the confined child processes decode.
    "PIL",
    "av",
    "blurhash",
    # What only tests need, though a library brings it.
    "faker",
    "httpx",
    "polyfactory",
    "pydantic",
    "pytest",
    "rich",
)
ONLY_FOR_TESTS = {
    "faker": "faker",
    "httpcore": "httpcore",
    "httpx": "httpx",
    "litestar-htmx": "litestar_htmx",
    "markdown-it-py": "markdown_it",
    "mdurl": "mdurl",
    "polyfactory": "polyfactory",
    "pygments": "pygments",
    "rich": "rich",
    "rich-click": "rich_click",
}
"""Dependencies of Litestar that `scripts/lock` leaves out of what `make run` installs, and their import names."""
START = """
import asyncio, sys
from entrypoints import server
from entrypoints.cli import main
from entrypoints.container import build
from entrypoints.http.app import create_app
from entrypoints.runtime import running
from entrypoints.settings import Settings

async def start():
    settings = Settings.read()
    container = build(settings)
    async with running(container, settings):
        create_app(container, settings)
        print(*sorted(sys.modules))

asyncio.run(start())
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The modules of a server that has started for the second time: the first start migrates the database."""
    folder = tmp_path_factory.mktemp("footprint")
    env = {name: value for name, value in os.environ.items() if not name.startswith("WAGGLE_")}
    env |= {"WAGGLE_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(ROOT / "src")}
    printed = ""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", START],
            env=env,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed = done.stdout
    return frozenset(printed.split())


def test_the_started_server_has_loaded_what_it_needs(loaded: frozenset[str]) -> None:
    assert {"adapters.sql.posts.reading", "entrypoints.http.app", "litestar", "sqlite3"} <= loaded


@pytest.mark.parametrize("name", NOT_LOADED)
def test_the_embedded_shape_does_not_load(name: str, loaded: frozenset[str]) -> None:
    assert sorted(module for module in loaded if module == name or module.startswith(f"{name}.")) == []


def pinned(lock: str) -> set[str]:
    return {line.partition("==")[0] for line in (ROOT / lock).read_text().splitlines() if "==" in line}


def test_the_environment_of_the_server_lacks_what_only_tests_need() -> None:
    assert pinned("requirements.lock") & ONLY_FOR_TESTS.keys() == set()
    assert pinned("requirements-dev.lock") >= ONLY_FOR_TESTS.keys()
    assert pinned("requirements-dev.lock") >= pinned("requirements.lock")


def test_the_api_is_described_without_what_only_tests_need() -> None:
    blocked = f"""
import sys
sys.modules.update(dict.fromkeys({sorted(ONLY_FOR_TESTS.values())}))
from entrypoints.cli.main import main
sys.exit(main(["openapi"]))
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("WAGGLE_")}
    done = subprocess.run(
        [sys.executable, "-c", blocked],
        env=env | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert json.loads(done.stdout) == json.loads((ROOT / "docs/openapi.json").read_text())
