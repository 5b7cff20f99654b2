"""The servers that integration tests use: a named one, else a container, else a private process.

    with postgres() as server, fresh_database(server) as url:
        print(server)  # "postgresql: private process /usr/lib/postgresql/15/bin/postgres"

Nothing is written to a server before it is known to belong to the tests. A named server must be empty or carry the mark
of an earlier run. A server that was started here must accept the generated password, and a process must use the folder
that was made for it. Servers that were started here end with this process, however it ends. `WAGGLE_TEST_SERVERS` set
to `containers` or `processes` allows only that kind.

All functions block. They may be called while an event loop runs."""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from anyio.from_thread import start_blocking_portal

from tests.integration._servers.buckets import S3
from tests.integration._servers.stores import ERRORS, MARK, Postgres, Redis, Refused, ask_redis

__all__ = [
    "Refused",
    "Server",
    "Unavailable",
    "clear",
    "fresh_bucket",
    "fresh_database",
    "postgres",
    "redis",
    "s3",
]

_TIMEOUT = 60  # seconds for a server to start or to end


class Unavailable(Exception):
    """No server is available; the message lists what was tried. A reason to skip, with a visible warning."""


class _No(Exception):
    """This way is not possible. The reason is listed in `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that tests may write to until the `with` block ends."""

    kind: str
    url: str = field(repr=False)
    how: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.how}"


def postgres() -> AbstractContextManager[Server]:
    """PostgreSQL 15 or later. Unless the server was named, the role in the URL is a superuser.

    Raises Unavailable if there is none, and Refused if the named one does not belong to the tests."""
    return _server(Postgres())


def redis() -> AbstractContextManager[Server]:
    """Redis 7 or later, or Valkey. Raises as `postgres` does. Empty it with `clear`."""
    return _server(Redis())


def s3() -> AbstractContextManager[Server]:
    """A server that speaks S3, with a key that may create buckets: a named one
    (`s3://key:secret@host:port/any?tls=off`), else a private process of nanio, which verifies signatures; never a
    container. Raises as `postgres` does."""
    return _server(S3())


@contextmanager
def fresh_bucket(server: Server) -> Iterator[str]:
    """The URL of a new bucket, which is not created yet. The bucket is removed when the block ends."""
    with S3.fresh(server.url) as url:
        yield url


@contextmanager
def fresh_database(server: Server, copy_of: str = "") -> Iterator[str]:
    """The URL of a new PostgreSQL database, dropped when the block ends. It is empty, or a copy of the database at
    `copy_of`, to which nobody may be connected meanwhile.

    On a named server whose role may not create databases, it is the named database itself, emptied before and after,
    and never a copy. Others who want it wait for a minute and then get Refused."""
    new = Postgres.fresh(server.url, copy_of)
    with start_blocking_portal() as loop, loop.wrap_async_context_manager(new) as url:
        yield url


def can_create_databases(server: Server) -> bool:
    """Whether the role may create databases, so that `fresh_database` can make copies."""
    with start_blocking_portal() as loop:
        return loop.call(Postgres.can_create_databases, server.url)


def clear(server: Server) -> None:
    """Empty the Redis database of the server, except for the mark of the tests."""
    ask_redis(server.url, ("MULTI",), ("FLUSHDB",), ("SET", MARK, "1"), ("EXEC",))


@contextmanager
def _server(kind: Postgres | Redis | S3) -> Iterator[Server]:
    only = os.environ.get("WAGGLE_TEST_SERVERS", "")
    if only not in {"", "containers", "processes"}:
        raise Refused(f"WAGGLE_TEST_SERVERS is {only!r}, which is neither containers nor processes")
    named = os.environ.get(kind.variable, "")
    if named and not only:
        named = re.sub(r"^(\w+)\+\w+:", r"\1:", named)  # URLs of SQLAlchemy also name the driver
        try:
            kind.claim(named)
        except (*ERRORS, ValueError) as error:
            raise Refused(f"the server that {kind.variable} names fails: {error!r}") from error
        place = urlsplit(named)
        how = f"{kind.variable}, {place.hostname}:{place.port or kind.port}{place.path}"
        yield Server(kind.name, named, how)
        return
    tried = [f"WAGGLE_TEST_SERVERS is {only}" if only else f"{kind.variable} is not set"]
    ways: list[Callable[[], AbstractContextManager[Server]]] = []
    if only != "processes" and not isinstance(kind, S3):
        ways.append(partial(_container, kind))
    if only != "containers" or isinstance(kind, S3):
        programs = list(dict.fromkeys(kind.programs()))
        ways += [partial(_process, kind, program) for program in programs]
        if not programs:
            tried.append(f"there is no {kind.sought}")
    with ExitStack() as stack:
        for way in ways:
            try:
                server = stack.enter_context(way())
            except _No as no:
                tried.append(str(no))
            else:
                yield server
                return
    raise Unavailable(f"no {kind.name} to be had:\n- " + "\n- ".join(tried))


# --- A container, by testcontainers, from an image that exists already ------------------------------

_REMOVE = """
import docker, sys
sys.stdin.read()
docker.from_env().containers.get(sys.argv[1]).remove(force=True, v=True)
"""


@contextmanager
def _container(kind: Postgres | Redis) -> Iterator[Server]:
    try:
        docker: Any = import_module("docker")
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.docker_client import get_docker_host
    except ImportError as error:
        raise _No(f"no containers without testcontainers: {error}") from error
    try:
        host = get_docker_host() or "unix:///var/run/docker.sock"
        if host.startswith("unix://"):  # docker would leave a socket open if nothing answers
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(host.removeprefix("unix://"))
        settings = {**os.environ, "DOCKER_HOST": host}
        with closing(docker.from_env(timeout=_TIMEOUT, environment=settings)) as engine:
            image = kind.choose([tag for image in engine.images.list() for tag in image.tags])
    except (OSError, docker.errors.DockerException) as error:
        raise _No(f"no container engine answers: {error}") from error
    if image is None:
        raise _No(f"the container engine has no image {kind.image} (see scripts/build-test-images)")

    testcontainers_config.ryuk_disabled = True  # it would pull an image; the process below replaces it
    password = secrets.token_hex(16)
    command, environment = kind.in_container(password)
    container = DockerContainer(image, env=environment, ports=[kind.port]).with_command(command)
    try:
        container.start()
    except docker.errors.DockerException as error:
        container.stop()
        raise _No(f"a container of {image} does not start: {error}") from error
    remove = [sys.executable, "-c", _REMOVE, container.get_container_id()]
    with closing(container.get_docker_client().client), _until_we_end(remove) as (process, log):
        host, port = container.get_container_host_ip(), container.get_exposed_port(kind.port)
        url = kind.url(host, port, password)
        try:
            _wait(kind, url, process, log)
        except _No as no:
            said = b"".join(container.get_logs()).decode(errors="replace")[-1000:]
            raise _No(f"a container of {image} does not answer: {no}\n{said}") from no
        yield Server(kind.name, url, f"testcontainers image {image}")


# --- A private process ----------------------------------------------------------------------------

# Runs a server until standard input ends, which happens when the tests end, even by SIGKILL. (A parent-death signal
# would also be sent when the thread that started the server ends.)
_WATCH = """
folder=$1 signal=$2
shift 2
exec 3<&0
"$@" 3<&- & server=$!
{ read -r _ <&3; kill -"$signal" $server; sleep 5; kill -KILL $server; } 2>/dev/null & watch=$!
wait $server
ended=$?
kill $watch
rm -rf "$folder"
exit $ended
"""


@contextmanager
def _process(kind: Postgres | Redis | S3, program: Path) -> Iterator[Server]:
    uid, gid = (None, None) if kind.own_user else _unprivileged()
    options: dict[str, Any] = {"user": uid, "group": gid, "extra_groups": uid and [], "cwd": "/"}
    options["env"] = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    run = partial(subprocess.run, **options, check=True, text=True, capture_output=True, timeout=_TIMEOUT)
    try:
        said = run([program, "--version"]).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise _No(f"{program} does not run: {error}") from error
    version = re.search(r"(?:\) |v=)(\d+)", said)
    if kind.least and (version is None or int(version[1]) < kind.least):
        raise _No(f"{program} is too old: {said.strip()}")

    reason = ""
    for _ in range(3):  # another process may take the port before the server uses it
        folder = Path(tempfile.mkdtemp(prefix="waggle-test-"))
        port, password = _free_port(), secrets.token_hex(16)
        try:
            if uid is not None:
                shutil.chown(folder, uid, gid)
            command = kind.prepare(program, folder, port, password, run)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(folder)
            detail = getattr(error, "stderr", "")
            raise _No(f"{program} cannot be prepared: {error} {detail}") from error
        watch = ["sh", "-c", _WATCH, "sh", folder, kind.signal, *command]
        with _until_we_end(watch, **options) as (process, log):
            url = kind.url("127.0.0.1", port, password)
            try:
                home = Path(_wait(kind, url, process, log))
            except _No as no:
                reason = f"{program} does not start: {no}"
                continue
            if not home.resolve().is_relative_to(folder.resolve()):
                reason = f"{program} does not start: port {port} is held by a server of {home}"
                continue
            yield Server(kind.name, url, f"private process {program}")
            return
    raise _No(reason)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _unprivileged() -> tuple[int, int] | tuple[None, None]:
    """Root runs the server as `nobody`, who owns no files of servers; PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None, None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise _No("root would run the server as the user nobody, whom this system lacks") from error
    return nobody.pw_uid, nobody.pw_gid


@contextmanager
def _until_we_end(command: list[Any], **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A process that ends when its standard input does, and a file with its output."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that Ctrl-C reaches only the tests
            **options,
        )
        try:
            yield process, log
        finally:
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_TIMEOUT)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(kind: Postgres | Redis | S3, url: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    """Wait until the server accepts its password. Returns the folder that it reports."""
    end = time.monotonic() + _TIMEOUT
    while True:
        try:
            return kind.home(url)
        except ERRORS as error:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
            if process.returncode is not None or time.monotonic() > end:
                log.seek(0)
                said = log.read().decode(errors="replace")[-1000:]
                raise _No(f"{error!r}\n{said}") from error
