"""A server that cannot start says why in one line and exits with status 78, without a traceback."""

import asyncio
import secrets
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.integration.servers import Server, fresh_database

from .process import Waggle

EX_CONFIG = 78


@pytest.fixture
def waggle(tmp_path: Path) -> Waggle:
    return Waggle("embedded", tmp_path)


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    with fresh_database(postgres_server) as url:
        yield url


def refused_start(waggle: Waggle, command: str = "serve") -> str:
    """The line that says why. The command must exit with status 78 and print no other line but those of the log."""
    done = waggle.command(command)

    said = done.stderr.strip().splitlines()
    assert done.returncode == EX_CONFIG, done.stderr[-2000:]
    assert said[-1].startswith("waggle: ")
    assert "Traceback" not in done.stderr
    assert len([line for line in said if not line.startswith("{")]) == 1, done.stderr
    return said[-1]


def test_a_data_folder_that_is_a_file_is_refused(waggle: Waggle) -> None:
    waggle.data_dir.touch()

    assert "WAGGLE_DATA_DIR" in refused_start(waggle)


def test_an_address_for_metrics_that_is_taken_is_refused_before_anything_is_created(waggle: Waggle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        waggle.settings["WAGGLE_METRICS_ADDRESS"] = address

        line = refused_start(waggle)
        assert "cannot listen on" in line
        assert address in line

    assert not waggle.data_dir.exists()


def test_the_port_of_the_api_is_refused_for_metrics(waggle: Waggle) -> None:
    waggle.settings["WAGGLE_METRICS_ADDRESS"] = f"127.0.0.1:{waggle.port}"

    line = refused_start(waggle)
    assert "cannot listen on" in line
    assert str(waggle.port) in line


def test_an_invalid_key_file_is_refused(waggle: Waggle) -> None:
    waggle.data_dir.mkdir()
    (waggle.data_dir / "secret.key").write_text("junk")

    assert "secret.key" in refused_start(waggle)


@pytest.mark.parametrize("refused", ["the key", "the folder", "the mail server"])
def test_a_production_start_that_is_refused_prints_one_line(tmp_path: Path, refused: str) -> None:
    settings = {
        "WAGGLE_ENV": "production",
        "WAGGLE_PUBLIC_URL": "https://hive.example",
        "WAGGLE_PASSWORD_COST": "12",
        "WAGGLE_RATE_LIMITS": "on",
    }
    if refused == "the mail server":
        settings["WAGGLE_MAIL_URL"] = "smtp://mail.example:587"
    waggle = Waggle("embedded", tmp_path, settings=settings)
    waggle.data_dir.mkdir(mode=0o700)
    (waggle.data_dir / "secret.key").write_text(secrets.token_hex(32))
    (waggle.data_dir / "secret.key").chmod(0o644 if refused == "the key" else 0o600)
    if refused == "the folder":
        waggle.data_dir.chmod(0o777)

    done = waggle.command("serve")

    assert done.returncode == EX_CONFIG
    assert [line.partition(" ")[0] for line in (done.stdout + done.stderr).splitlines()] == ["waggle:"]


def test_address_confirmation_without_a_mail_server_is_refused(tmp_path: Path) -> None:
    settings = {
        "WAGGLE_ENV": "production",
        "WAGGLE_PUBLIC_URL": "https://hive.example",
        "WAGGLE_CONFIRM_EMAIL": "true",
        "WAGGLE_PASSWORD_COST": "12",
        "WAGGLE_RATE_LIMITS": "on",
    }

    line = refused_start(Waggle("embedded", tmp_path, settings=settings))
    assert "WAGGLE_CONFIRM_EMAIL" in line
    assert "WAGGLE_MAIL_URL" in line


def test_an_invalid_database_file_is_refused(waggle: Waggle) -> None:
    waggle.data_dir.mkdir()
    (waggle.data_dir / "waggle.db").write_text("not a database, but a letter to its owner" * 100)

    assert "not an SQLite file" in refused_start(waggle)


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_an_embedded_schema_of_a_newer_version_is_refused(waggle: Waggle, command: str) -> None:
    assert waggle.command("migrate").returncode == 0
    with sqlite3.connect(waggle.data_dir / "waggle.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    line = refused_start(waggle, command=command)
    assert "9999" in line
    assert "newer than this version knows" in line


def test_a_shared_schema_of_a_newer_version_is_refused(waggle: Waggle, postgres_url: str) -> None:
    waggle.database_url = postgres_url
    waggle.migrate()
    asyncio.run(_execute(postgres_url, "UPDATE alembic_version SET version_num = '9999'"))

    line = refused_start(waggle)
    assert "9999" in line
    assert "newer than this version knows" in line


def test_a_schema_without_migrations_is_refused(waggle: Waggle, postgres_url: str) -> None:
    waggle.database_url = postgres_url

    assert "waggle migrate" in refused_start(waggle)


@pytest.mark.parametrize("part", ["user", "password", "database", "host"])
def test_a_wrong_part_of_the_database_url_is_refused(
    waggle: Waggle, postgres_server: Server, part: str
) -> None:
    url = urlsplit(postgres_server.url)
    wrong = {
        "user": url._replace(netloc=f"nobody:{url.password}@{url.hostname}:{url.port}"),
        "password": url._replace(netloc=f"{url.username}:wrong@{url.hostname}:{url.port}"),
        "database": url._replace(path="/nothing_of_that_name"),
        "host": url._replace(netloc=f"{url.username}:{url.password}@database.invalid:{url.port}"),
    }
    waggle.database_url = wrong[part].geturl()

    line = refused_start(waggle)
    assert "database server" in line
    assert part in line


def test_more_connections_than_the_server_allows_are_refused(waggle: Waggle, postgres_url: str) -> None:
    waggle.database_url = postgres_url
    waggle.settings["WAGGLE_DATABASE_CONNECTIONS"] = "400"
    waggle.migrate()

    assert "WAGGLE_DATABASE_CONNECTIONS" in refused_start(waggle)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
