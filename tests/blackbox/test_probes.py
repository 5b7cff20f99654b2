"""The three probes: whether the process lives, whether it has started, whether it should get requests."""

import asyncio
import secrets
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import asyncpg
import httpx
import pytest

from .client import Api, Json, done, eventually, refusal, refused
from .conftest import RUNNING, SHAPES, a_waggle, stores_of
from .process import NotUp, Waggle

PROBES = ("/livez", "/readyz", "/startupz")
ours = pytest.mark.skipif(bool(RUNNING), reason="a server of our own is needed")
on_postgres = pytest.mark.skipif("postgres" not in SHAPES, reason="WAGGLE_TEST_SHAPES leaves out PostgreSQL")


def probe(waggle: Waggle, path: str) -> tuple[int, Json]:
    answer = httpx.get(f"{waggle.base_url}{path}", timeout=10)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_of_a_server_that_works_is_ok(api: Api, path: str) -> None:
    answer = api.nobody.get(path)

    assert done(answer)["status"] == "ok"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_answers_head_without_a_body(api: Api, path: str) -> None:
    answer = api.nobody.request("HEAD", path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_probe_has_no_other_method(api: Api, method: str, path: str) -> None:
    answer = api.nobody.request(method, path)

    assert refusal(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "HEAD, GET"


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_refuses_an_unknown_query(api: Api, path: str) -> None:
    problem = refused(api.nobody.get(path, params={"verbose": "1"}), 422, "invalid")

    assert [error["pointer"] for error in problem["errors"]] == ["/query/verbose"]


def test_the_readiness_names_the_parts_of_the_shape(server: Waggle | None, api: Api) -> None:
    if server is None:
        pytest.skip("the shape is unknown")
    checked = {
        "memory": {"database", "ids", "storage"},
        "embedded": {"database", "schema", "version", "ids", "storage", "disk"},
        "postgres": {"database", "schema", "version", "ids", "storage"},
        "scaled": {"database", "schema", "version", "ids", "storage", "redis"},
    }[server.shape]

    health = done(api.nobody.get("/readyz"))
    assert set(health["checks"]) - {"disk"} == checked - {"disk"}
    assert set(health["checks"].values()) == {"ok"}


# --- A schema of another version under a running process ----------------------------------------------


@pytest.fixture(params=[shape for shape in SHAPES if shape in {"embedded", "postgres"}] or ["none"])
def restarted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waggle]:
    if RUNNING or request.param == "none":
        pytest.skip("servers of our own are needed")
    with a_waggle(request, request.param, tmp_path) as waggle:
        yield waggle


def set_schema(waggle: Waggle, revision: str) -> None:
    statement = f"UPDATE alembic_version SET version_num = '{revision}'"
    if waggle.shape == "embedded":
        with closing(sqlite3.connect(waggle.data_dir / "waggle.db", timeout=20)) as connection, connection:
            connection.execute(statement)
    else:
        asyncio.run(execute(waggle.database_url, statement))


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def soon(waggle: Waggle, expected: tuple[int, str], **checks: str) -> None:
    """The result of a check may be a second old."""

    def check() -> None:
        status, health = probe(waggle, "/readyz")
        assert (status, health["status"]) == expected
        assert health["checks"] | checks == health["checks"]

    eventually(check, 20)


def test_a_newer_schema_degrades_and_an_older_one_is_not_ready(restarted: Waggle) -> None:
    """While several processes are updated, those of the version before work on."""
    set_schema(restarted, "9999")
    soon(restarted, (200, "degraded"), version="SchemaNewer", schema="ok")
    with closing(Api(restarted.base_url)) as api:
        api.someone().publishes()

    set_schema(restarted, "0001")
    soon(restarted, (503, "unready"), schema="SchemaOlder", database="ok")
    assert probe(restarted, "/livez")[0] == 200
    assert probe(restarted, "/startupz")[0] == 200


# --- A database that is away, and a start that takes long ---------------------------------------------


@ours
def test_a_start_that_waits_answers_its_probes(tmp_path: Path) -> None:
    """It waits for a database that accepts connections and is silent. After some seconds it gives up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://waggle@127.0.0.1:{silent.getsockname()[1]}/waggle"
        key = {"WAGGLE_SECRET_KEY": secrets.token_hex(32)}
        waggle = Waggle("postgres", tmp_path, url, settings=key)
        ended: list[BaseException] = []
        thread = threading.Thread(target=lambda: ended.append(_error_of(waggle.start)))
        thread.start()
        seen: set[tuple[str, int]] = set()
        with closing(httpx.Client(base_url=waggle.base_url, timeout=20)) as http:
            while thread.is_alive():
                for path in (*PROBES, "/api/v1/me"):
                    with suppress(httpx.TransportError):  # it does not listen yet, or no longer
                        seen.add((path, http.get(path).status_code))
        thread.join()

    assert "ended with 69" in str(ended[0])
    assert seen == {("/livez", 200), ("/readyz", 503), ("/startupz", 503), ("/api/v1/me", 503)}


def _error_of(work: Callable[[], None]) -> BaseException:
    with pytest.raises(NotUp) as caught:
        work()
    return caught.value


@ours
@on_postgres
def test_without_its_database_a_process_lives_and_is_not_ready(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with stores_of(request, "postgres") as (url, named):
        waggle = Waggle("postgres", tmp_path, url, settings=named)
        waggle.start()
        try:
            name = url.rpartition("/")[2].partition("?")[0]
            admin = url.replace(f"/{name}", "/postgres", 1)
            asyncio.run(execute(admin, f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false'))
            cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            asyncio.run(execute(admin, cut))
            eventually(lambda: unready(waggle), 30)
            assert probe(waggle, "/livez")[0] == 200
            assert probe(waggle, "/startupz")[0] == 200
            asyncio.run(execute(admin, f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true'))
            soon(waggle, (200, "ok"), database="ok")
        finally:
            waggle.kill()


def unready(waggle: Waggle) -> None:
    status, health = probe(waggle, "/readyz")
    assert (status, health["status"]) == (503, "unready")
    assert health["checks"]["database"] != "ok"
