"""Waggle in one of its shapes, to be measured: its stores, its server, and their joint cost."""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import fill
from bench.community import SECRET, Table
from bench.processes import LOAD_CORE, ROOT, SERVER_CORE, cpu_us, family, on_core, server
from tests.integration import servers
from tests.integration._servers.stores import ask_redis

LIMITS = ",".join(f"{name}=1000000/1" for name in ("read", "write", "expensive", "anonymous"))
"""Counted, since a server in use counts them, but never reached."""
ISSUER = "http://waggle.bench"
STORES = {"embedded": (), "postgres": ("postgres",), "scaled": ("postgres", "redis")}
"""The stores that each shape needs besides the server. `postgres` is the scaled shape without Redis."""
_CALLS = re.compile(r"cmdstat_([^:]+):calls=(\d+)")
PROGRAMS = {"postgres", "postmaster", "redis-server", "valkey-server"}


@dataclass(frozen=True, slots=True)
class Measured:
    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Target:
    port: int
    roots: Sequence[int]
    """Processes whose cost counts, including all their children: PostgreSQL has one per connection."""

    def spent(self) -> float:
        """CPU so far, in microseconds."""
        return cpu_us([pid for root in self.roots for pid in family(root)])

    def measure(
        self, requests: Sequence[str], seconds: float, connections: int = 16, **more: Any
    ) -> Measured:
        before = self.spent()
        result = self.load(requests, "--seconds", seconds, "--connections", connections, **more)
        spent = self.spent() - before
        return _measured(result, spent)

    def measure_until_idle(self, requests: Sequence[str], connections: int) -> Measured:
        """Each request once, including everything that it causes."""
        before = self.idle()
        result = self.load(requests, "--once", "--seconds", 60, "--connections", connections)
        return _measured(result, self.idle() - before)

    def idle(self) -> float:
        """CPU so far, once there has been little to do for half a second."""
        before = self.spent()
        while True:
            time.sleep(0.5)
            now = self.spent()
            if now - before <= 30_000:
                return now
            before = now

    def load(self, requests: Sequence[str], *arguments: object, **more: object) -> dict[str, Any]:
        command = [*on_core(LOAD_CORE), sys.executable, "-m", "bench.load", "--port", str(self.port)]
        command += [str(argument) for argument in arguments]
        command += [str(word) for name, value in more.items() for word in (f"--{name}", value)]
        done = subprocess.run(
            command,
            input=json.dumps(requests),
            text=True,
            stdout=subprocess.PIPE,
            check=True,
            cwd=ROOT,
            timeout=120,
        )
        result: dict[str, Any] = json.loads(done.stdout)
        if any(not status.startswith("2") and status != "304" for status in result["statuses"]):
            raise SystemExit(f"not every request was answered well: {result['statuses']}")
        return result


def _measured(result: dict[str, Any], spent: float) -> Measured:
    count = result["requests"]
    return Measured(spent / count, count / result["seconds"], result["p50_ms"], result["p99_ms"])


@dataclass(frozen=True, slots=True)
class Stack:
    """The stores of Waggle, filled; servers are started on them as needed."""

    folder: Path
    env: dict[str, str]
    database: str
    """Its URL, as the server gets it."""
    redis: servers.Server | None = None
    _stores: list[int] = field(default_factory=list)

    @contextmanager
    def serving(self, more: Mapping[str, str] | None = None) -> Iterator[Target]:
        port, env = free_port(), self.env | dict(more or {})
        with server("-m", "entrypoints.cli", "serve", port=port, path="/readyz", env=env) as process:
            yield Target(port, [process.pid, *self._stores])

    def redis_calls(self) -> "Counter[str]":
        """The number of calls of each command so far."""
        answer = str(ask_redis(self.redis.url, ("INFO", "commandstats"))[0]) if self.redis else ""
        return Counter({name: int(calls) for name, calls in _CALLS.findall(answer)})

    def forget(self) -> None:
        """Empty Redis."""
        if self.redis:
            servers.clear(self.redis)


@contextmanager
def stack(shape: str, tables: Iterable[Table], folder: Path) -> Iterator[Stack]:
    """`shape` is one of STORES."""
    with ExitStack() as open_:
        env = {
            "WAGGLE_PASSWORD_COST": "4",
            "WAGGLE_DATA_DIR": str(folder),
            "WAGGLE_RATE_LIMITS": LIMITS,
            "WAGGLE_SECRET_KEY": SECRET,
            "WAGGLE_PUBLIC_URL": ISSUER,
        }
        others = set(family(os.getpid()))
        os.environ["WAGGLE_TEST_SERVERS"] = "processes"  # processes in containers could not be measured
        redis = None
        file = folder / "waggle.db"
        if "postgres" in STORES[shape]:
            running = open_.enter_context(servers.postgres())
            env["WAGGLE_DATABASE_URL"] = open_.enter_context(servers.fresh_database(running))
            if "redis" in STORES[shape]:
                redis = open_.enter_context(servers.redis())
                env["WAGGLE_REDIS_URL"] = redis.url
        subprocess.run(
            [sys.executable, "-m", "entrypoints.cli", "migrate"],
            env={**os.environ, **env, "PYTHONPATH": str(ROOT / "src")},
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        stores = []
        for pid in set(family(os.getpid())) - others:
            if _name(pid) in PROGRAMS:
                os.sched_setaffinity(pid, {SERVER_CORE})
                stores.append(pid)
        if len(stores) < len(STORES[shape]):
            raise SystemExit(f"what {shape} needs runs where its processor time cannot be counted")
        # The main process of each. Its children change and are determined when they are measured.
        stores = [pid for pid in stores if not any(pid in family(other)[1:] for other in stores)]
        url = env.get("WAGGLE_DATABASE_URL", "")
        if url:
            fill.fill_postgres(url, tables)
        else:
            fill.fill_sqlite(str(file), tables)
        yield Stack(folder, env, url or f"sqlite:///{file}", redis, stores)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def request(
    method: str, path: str, token: str = "", body: dict[str, Any] | None = None, etag: str = ""
) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if etag:
        lines.append(f"If-None-Match: {etag}")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    text = "" if body is None else json.dumps(body)
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(text.encode())}"]
    return "\r\n".join(lines) + "\r\n\r\n" + text


def call(
    port: int, path: str, body: dict[str, Any] | None = None, token: str = "", method: str | None = None
) -> bytes:
    with _answer(port, path, body, token, method) as answer:
        answered: bytes = answer.read()
        return answered


def etag_of(port: int, path: str, token: str) -> str:
    with _answer(port, path, None, token) as answer:
        return str(answer.headers["ETag"])


def _answer(port: int, path: str, body: dict[str, Any] | None, token: str, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
    sent.add_header("Content-Type", "application/json")
    if token:
        sent.add_header("Authorization", f"Bearer {token}")
    return urllib.request.urlopen(sent, timeout=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def floor(body: bytes, folder: Path, method: str = "GET") -> Iterator[tuple[Target, Sequence[str]]]:
    """A bare Litestar that answers `body`, and a request for it."""
    (folder / "body").write_bytes(body)
    port = free_port()
    env = {"BENCH_BODY": str(folder / "body")}
    with server("-m", "bench.floor", str(port), port=port, path="/", env=env) as process:
        yield Target(port, [process.pid]), [request(method, "/", "", {} if method == "POST" else None)]


def beside_floor(
    target: Target, requests: Sequence[str], body: bytes, rounds: int, seconds: float, folder: Path
) -> dict[str, float]:
    """`target` beside a bare Litestar that answers `body`, in turn."""
    with floor(body, folder, requests[0].partition(" ")[0]) as (plain, bare):
        target.measure(requests, 1)  # warm up
        plain.measure(bare, 1)
        ours, floors = [], []
        for _ in range(rounds):  # in turn: the machine is shared and its speed drifts
            floors.append(plain.measure(bare, seconds))
            ours.append(target.measure(requests, seconds))
    return {
        "cpu_us": statistics.median(one.cpu_us for one in ours),
        "floor_us": statistics.median(one.cpu_us for one in floors),
        "ratio": statistics.median(a.cpu_us / b.cpu_us for a, b in zip(floors, ours, strict=True)),
        "per_second": statistics.median(one.per_second for one in ours),
        "p50_ms": statistics.median(one.p50_ms for one in ours),
        "p99_ms": statistics.median(one.p99_ms for one in ours),
        "bytes": len(body),
    }
