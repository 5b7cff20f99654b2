"""PgBouncer in transaction mode: every transaction may run on another connection to the database server."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy import Integer, bindparam, text

from adapters.sql.database import Database
from adapters.sql.errors import DatabaseRefused
from adapters.sql.migrate import check_schema
from adapters.sql.server import allowed_connections
from adapters.sql.statements import Prepared
from tests.integration.servers import Server, fresh_database
from tests.port_contracts.stores import migrated

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
TIMEOUT = 30.0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def database_url(postgres_server: Server) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        yield asyncio.run(migrated(url))


def _configure(folder: Path, url: str, *more: str) -> int:
    """Write the configuration of PgBouncer. Returns the port that it will listen on."""
    place, port = urlsplit(url), _free_port()
    user, password = unquote(place.username or ""), unquote(place.password or "")
    (folder / "users").write_text(f'"{user}" "{password}"\n')
    (folder / "pgbouncer.ini").write_text(
        "\n".join((
            "[databases]",
            f"* = host={place.hostname} port={place.port} user={user} password={password}",
            "[pgbouncer]",
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =",
            f"auth_type = plain\nauth_file = {folder}/users",
            "pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 100",
            *more,
        ))
    )  # fmt: skip
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)  # PgBouncer runs as another user; the password is that of a test server
    return port


@contextmanager
def _pooler(folder: Path, url: str, *more: str) -> Iterator[str]:
    """The URL of the database behind a PgBouncer that ends with the `with` block."""
    if PGBOUNCER is None:
        pytest.skip("not tested behind a pooler: there is no pgbouncer")
    port = _configure(folder, url, *more)
    user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None  # it refuses to run as root
    process = subprocess.Popen([PGBOUNCER, folder / "pgbouncer.ini"], user=user, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + TIMEOUT
        while not _listens(port):
            assert process.poll() is None, "pgbouncer does not start"
            assert time.monotonic() < end, "pgbouncer does not listen"
            time.sleep(0.05)
        place = urlsplit(url)
        yield place._replace(netloc=f"{place.username}:{place.password}@127.0.0.1:{port}").geturl()
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user of PgBouncer can read, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="waggle-pgbouncer-") as made:
        yield Path(made)


async def _wrong_rows(database: Database, number: int) -> list[object]:
    """Run statements of many forms, each once in a read and once in a transaction. Returns the rows that differ from the
    numbers that the statements asked for."""
    wrong: list[object] = []
    for turn in range(20):
        statement = text(
            f"SELECT CAST(:a AS INTEGER){''.join(f', {other}' for other in range(turn % 5))}"
        ).bindparams(bindparam("a", type_=Integer))
        expected = (number, *range(turn % 5))
        [read] = await database.fetch(Prepared(statement), a=number)
        async with database.begin() as transaction:
            written = (await transaction.execute(statement, {"a": number})).one()
        wrong += [row for row in (tuple(read), tuple(written)) if row != expected]
    return wrong


async def test_every_process_gets_its_own_rows(folder: Path, database_url: str) -> None:
    with _pooler(folder, database_url, "ignore_startup_parameters = extra_float_digits") as url:
        databases = [Database.at(f"{url}?pooler=transaction") for _ in range(4)]
        try:
            for database in databases:
                await database.open()
            wrong = await asyncio.gather(
                *(_wrong_rows(database, number) for number, database in enumerate(databases * 3))
            )
        finally:
            for database in databases:
                await database.close()

    assert wrong == [[]] * 12


async def test_each_transaction_is_limited(folder: Path, database_url: str) -> None:
    with _pooler(folder, database_url) as url:
        database = Database.at(f"{url}?pooler=transaction")
        await database.open()
        try:
            async with database.begin() as transaction:
                asked = text("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
                assert tuple((await transaction.execute(asked)).one()) == ("2s", "500ms")
            await check_schema(database)
            assert await allowed_connections(database) is None
        finally:
            await database.close()


@pytest.mark.parametrize(
    "ignored", ["", "ignore_startup_parameters = statement_timeout,lock_timeout,jit,idle_in_transaction_session_timeout"]
)  # fmt: skip
async def test_an_unconfigured_pooler_is_detected(folder: Path, database_url: str, ignored: str) -> None:
    with _pooler(folder, database_url, ignored) as url:
        database = Database.at(url)
        await database.open()
        try:
            with pytest.raises(DatabaseRefused, match="pooler=transaction"):
                await allowed_connections(database)
        finally:
            await database.close()
