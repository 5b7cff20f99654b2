"""The servers of the integration tests belong to the tests, and say where they come from."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped, unused-ignore]
import pytest

from tests.integration._servers.stores import MARK, ask_redis
from tests.integration.postgres_queries import databases, marked, sql, tables
from tests.integration.servers import (
    Refused,
    Server,
    Unavailable,
    _free_port,
    clear,
    fresh_bucket,
    fresh_database,
    postgres,
    redis,
    s3,
)

Take = Callable[[], AbstractContextManager[Server]]
SETTINGS = ("WAGGLE_TEST_SERVERS", "WAGGLE_TEST_POSTGRES_URL", "WAGGLE_TEST_REDIS_URL", "WAGGLE_TEST_S3_URL")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def _private(take: Take) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAGGLE_TEST_SERVERS", "processes")
        with take() as server:
            yield server


@pytest.fixture(scope="module")
def private_postgres() -> Iterator[Server]:
    try:
        yield from _private(postgres)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def private_redis() -> Iterator[Server]:
    try:
        yield from _private(redis)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def private_s3() -> Iterator[Server]:
    try:
        yield from _private(s3)
    except Unavailable as reason:
        pytest.skip(str(reason))


class TestPrivateServer:
    def test_describes_itself_without_its_password(self, private_postgres: Server) -> None:
        assert str(private_postgres).startswith("postgresql: private process /")
        password = urlsplit(private_postgres.url).password
        assert password is not None
        assert password not in f"{private_postgres} {private_postgres!r}"

    def test_requires_its_password(self, private_postgres: Server, private_redis: Server) -> None:
        for url in (private_postgres.url, private_redis.url):
            wrong = url.replace(str(urlsplit(url).password), "guess")
            with pytest.raises((asyncpg.InvalidPasswordError, ConnectionError)):
                sql(wrong, "select 1") if url.startswith("post") else ask_redis(wrong, ("PING",))

    def test_takes_another_port_if_its_own_is_in_use(
        self, private_redis: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken, free = urlsplit(private_redis.url).port, _free_port()
        choice = iter([taken, free])
        monkeypatch.setattr("tests.integration.servers._free_port", lambda: next(choice))
        for server in _private(redis):
            assert urlsplit(server.url).port == free

    def test_is_not_a_server_that_another_process_started(
        self, private_redis: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A process took the port, and even knows the password, but it uses another folder."""
        monkeypatch.setattr("tests.integration._servers.stores.Redis.url", lambda *_: private_redis.url)
        with pytest.raises(Unavailable, match="is held by a server of /"):
            next(_private(redis))

    def test_ends_with_the_tests_even_when_they_are_killed(self) -> None:
        program = (
            "from tests.integration.servers import redis\n"
            "with redis() as server: print(server.url, flush=True); input()"
        )
        tests = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "WAGGLE_TEST_SERVERS": "processes"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert tests.stdin is not None
        assert tests.stdout is not None
        url = tests.stdout.readline().strip()
        [reply] = ask_redis(url, ("CONFIG", "GET", "dir"))
        assert isinstance(reply, list)
        folder = Path(str(reply[1]))
        assert folder.is_dir()
        tests.send_signal(signal.SIGKILL)
        tests.communicate()
        self.until(lambda: not folder.exists())
        with pytest.raises(ConnectionRefusedError):
            ask_redis(url, ("PING",))

    @staticmethod
    def until(happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < end

    @pytest.mark.parametrize("take", [postgres, redis])
    def test_comes_from_a_container_if_there_is_an_image(
        self, take: Take, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WAGGLE_TEST_SERVERS", "containers")
        try:
            with take() as server:
                assert "testcontainers image" in server.how
                url = server.url
                if server.kind == "postgresql":
                    assert sql(url, "create table t ()", "select 1") == 1
                else:
                    assert ask_redis(url, ("PING",)) == ["PONG"]
        except Unavailable as reason:
            pytest.skip(str(reason))


class TestFreshDatabase:
    def test_is_empty_and_is_dropped(self, private_postgres: Server) -> None:
        before = databases(private_postgres.url)
        with fresh_database(private_postgres) as url:
            assert urlsplit(url).path.startswith(f"/waggle_test_{os.getpid()}_")
            assert tables(url) == []
            sql(url, "create table posts ()", "select 1")
        assert databases(private_postgres.url) == before

    def test_is_dropped_even_while_it_is_in_use(self, private_postgres: Server) -> None:
        async def use() -> None:
            with fresh_database(private_postgres) as url:  # within a running event loop, as in fixtures
                connection = await asyncpg.connect(url)
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await connection.close()

        before = databases(private_postgres.url)
        asyncio.run(use())
        assert databases(private_postgres.url) == before

    def test_is_separate_from_others(self, private_postgres: Server) -> None:
        with fresh_database(private_postgres) as one, fresh_database(private_postgres) as other:
            sql(one, "create table posts ()", "select 1")
            assert tables(other) == []


class TestNamedPostgres:
    @pytest.fixture
    def named(self, private_postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        """An empty database on a server that others use, too."""
        with fresh_database(private_postgres) as url:
            monkeypatch.setenv("WAGGLE_TEST_POSTGRES_URL", url)
            yield url

    def test_is_used_if_empty_and_gets_a_mark(self, named: str) -> None:
        assert not marked(named)
        with postgres() as server:
            assert server.url == named
            assert server.how.startswith("WAGGLE_TEST_POSTGRES_URL, 127.0.0.1:")
        assert marked(named)

    def test_is_used_again_whatever_an_earlier_run_left(self, named: str) -> None:
        with postgres():
            sql(named, "create table left_behind ()", "select 1")
        with postgres() as server:
            assert server.url == named

    def test_is_refused_and_unchanged_if_it_has_another_table(self, named: str) -> None:
        sql(named, "create schema work", "create table work.precious ()", "select 1")
        with (
            pytest.raises(Refused, match=r"it holds work\.precious and no schema waggle_test"),
            postgres(),
        ):
            pass  # pragma: no cover
        assert not marked(named)
        assert tables(named) == ["precious"]

    def test_is_refused_if_it_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        url = f"postgresql://me:secret@127.0.0.1:{_free_port()}/x"
        monkeypatch.setenv("WAGGLE_TEST_POSTGRES_URL", url)
        with (
            pytest.raises(Refused, match="WAGGLE_TEST_POSTGRES_URL names fails") as refusal,
            postgres(),
        ):
            pass  # pragma: no cover
        assert "secret" not in str(refusal.value)

    def test_may_name_the_driver_as_sqlalchemy_does(
        self, named: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WAGGLE_TEST_POSTGRES_URL", named.replace("://", "+asyncpg://"))
        with postgres() as server, fresh_database(server) as url:
            assert url.startswith("postgresql://")

    def test_is_emptied_if_its_role_may_not_create_databases(
        self, named: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = urlsplit(named).path.removeprefix("/")
        sql(
            named,
            "create role poor login password 'x'",
            f"alter database {name} owner to poor",
            "select 1",
        )
        poor = urlsplit(named)._replace(netloc=f"poor:x@127.0.0.1:{urlsplit(named).port}").geturl()
        monkeypatch.setenv("WAGGLE_TEST_POSTGRES_URL", poor)
        with postgres() as server:
            for _ in range(2):
                with fresh_database(server) as url:
                    assert url == poor
                    assert tables(url) == []
                    sql(
                        url,
                        "create schema s",
                        "create table s.a ()",
                        "create table b ()",
                        "select 1",
                    )
            assert tables(poor) == []
            assert marked(poor)


class TestNamedRedis:
    @pytest.fixture
    def named(self, private_redis: Server, monkeypatch: pytest.MonkeyPatch) -> str:
        ask_redis(private_redis.url, ("FLUSHALL",))
        monkeypatch.setenv("WAGGLE_TEST_REDIS_URL", private_redis.url)
        return private_redis.url

    def test_is_used_if_empty_and_gets_a_mark(self, named: str) -> None:
        with redis() as server:
            assert server.url == named
            assert server.how.startswith("WAGGLE_TEST_REDIS_URL, 127.0.0.1:")
        assert ask_redis(named, ("KEYS", "*")) == [[MARK]]

    def test_is_used_again_whatever_an_earlier_run_left(self, named: str) -> None:
        with redis():
            ask_redis(named, ("SET", "left", "behind"))
        with redis() as server:
            clear(server)
        assert ask_redis(named, ("KEYS", "*")) == [[MARK]]

    def test_is_refused_and_unchanged_if_it_has_another_key(self, named: str) -> None:
        ask_redis(named, ("SET", "precious", "1"))
        with pytest.raises(Refused, match="holds 1 keys and not waggle_test_marker"), redis():
            pass  # pragma: no cover
        assert ask_redis(named, ("KEYS", "*")) == [["precious"]]


class TestS3:
    def test_ends_with_its_with_block(self) -> None:
        with s3() as server:
            place = urlsplit(server.url)
            assert server.how.startswith("private process")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((place.hostname, place.port), 1)

    def test_a_named_server_is_used_and_existing_buckets_stay(
        self, private_s3: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WAGGLE_TEST_S3_URL", private_s3.url)
        with s3() as server:
            assert server.how.startswith("WAGGLE_TEST_S3_URL, 127.0.0.1:")
            with fresh_bucket(server) as one, fresh_bucket(server) as other:
                assert len({private_s3.url, one, other}) == 3

    def test_a_named_server_with_a_wrong_secret_is_refused(
        self, private_s3: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(
            "WAGGLE_TEST_S3_URL", private_s3.url.replace("waggle-test:", "waggle-test:hunter2")
        )
        with pytest.raises(Refused, match="WAGGLE_TEST_S3_URL") as caught, s3():
            pass  # pragma: no cover
        assert "hunter2" not in str(caught.value)


class TestNoServer:
    @pytest.mark.parametrize("take", [postgres, redis])
    def test_the_reason_lists_everything_that_was_tried(
        self, take: Take, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        for kind in ("Postgres", "Redis"):
            nothing = f"tests.integration._servers.stores.{kind}.programs"
            monkeypatch.setattr(nothing, lambda _: iter([Path("/bin/true"), Path("/nowhere/x")]))
        with pytest.raises(Unavailable) as reason, take():
            pass  # pragma: no cover
        for tried in (
            "_URL is not set",
            "no container engine",
            "/bin/true",
            "/nowhere/x does not run",
        ):
            assert tried in str(reason.value)

    def test_an_unknown_kind_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WAGGLE_TEST_SERVERS", "pigeons")
        with pytest.raises(Refused, match="neither containers nor processes"), redis():
            pass  # pragma: no cover
