"""The database server cuts connections. Requests may be refused temporarily, but never with 500, and the server recovers
by itself."""

import asyncio
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest

from .client import Api, Member, eventually
from .conftest import SHAPES, a_waggle, needs_shape
from .process import Waggle

CUTS, CLIENTS = 25, 6
AT_MOST = 60.0
"""The maximum duration of the load in seconds."""

if "postgres" not in SHAPES:
    pytest.skip(needs_shape("postgres"), allow_module_level=True)


@pytest.fixture
def waggle(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    with a_waggle(request, "postgres", tmp_path) as running:
        yield running


@pytest.fixture
def api(waggle: Waggle) -> Iterator[Api]:
    api = Api(waggle.base_url)
    yield api
    api.close()


async def _cut(url: str) -> None:
    """Close all other connections to the database."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


def test_cut_database_connections_cause_503_and_never_500(waggle: Waggle, api: Api) -> None:
    author = api.someone()
    statuses: Counter[int] = Counter()
    published: set[str] = set()
    over = threading.Event()
    end = time.monotonic() + AT_MOST

    def write_and_read() -> None:
        with httpx.Client(base_url=waggle.base_url, timeout=60) as client:
            while not over.is_set() and time.monotonic() < end:
                headers = author.headers()
                write = client.post(
                    "/api/v1/posts",
                    json={"text": "still here"},
                    headers=headers | {"Idempotency-Key": secrets.token_hex(8)},
                )
                read = client.get("/api/v1/feeds/public", headers=headers)
                statuses.update((write.status_code, read.status_code))
                if write.status_code == 201:
                    published.add(write.json()["id"])

    clients = [threading.Thread(target=write_and_read) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in range(CUTS):
        before = sum(statuses.values())
        asyncio.run(_cut(waggle.database_url))
        eventually(partial(_wait_for_answers, statuses, before), 10)
    over.set()
    for client in clients:
        client.join(AT_MOST)

    assert set(statuses) <= {200, 201, 503}, statuses
    _recovers_within_three_seconds(waggle, author)
    assert published <= {post["id"] for post in author.all_items(f"/api/v1/users/{author.id}/posts")}
    assert "is restarted" not in waggle.log.read_text()


def _wait_for_answers(statuses: Counter[int], before: int) -> None:
    assert sum(statuses.values()) >= before + 10


def _recovers_within_three_seconds(waggle: Waggle, author: Member) -> None:
    def all_succeed() -> None:
        with httpx.Client(base_url=waggle.base_url, headers=author.headers()) as client:
            assert {client.get("/api/v1/me").status_code for _ in range(40)} == {200}

    eventually(all_succeed, 3)
    for _ in range(20):
        author.publishes()
