"""Goal 7 and its neighbours: reading a post, a page of a user's posts, creating a post.

    python -m bench.posts [--rows 100000 1000000] [--stores sqlite postgres] [--rounds 3] [--seconds 3]

Each is measured beside a bare Litestar answer of the same bytes, in turn, in one run, with the server
(PostgreSQL included) on one core and the load on the other. The figure to trust is the processor time
per request of all server processes; the ratio is floor / ours, so 60 % means that ours costs 1.67 × the floor.
"""

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import fill
from bench.processes import LOAD_CORE, ROOT, cpu_us, family, on_core, server

LIMITS = ",".join(f"{name}=1000000/1" for name in ("read", "write", "anonymous"))
"""They are counted, since a server in use counts them, and never reached."""
BEE = {"username": "bee", "email": "bee@example.org", "password": "correct horse battery"}


@dataclass(frozen=True, slots=True)
class Measured:
    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Target:
    port: int
    pids: list[int]

    def measure(self, requests: list[str], seconds: float, connections: int = 16) -> Measured:
        before = cpu_us(self.pids)
        command = [*on_core(LOAD_CORE), sys.executable, "-m", "bench.load", "--port", str(self.port)]
        command += ["--seconds", str(seconds), "--connections", str(connections)]
        done = subprocess.run(
            command,
            input=json.dumps(requests),
            text=True,
            stdout=subprocess.PIPE,
            check=True,
            cwd=ROOT,
            timeout=120,
        )
        result = json.loads(done.stdout)
        if any(not status.startswith("2") for status in result["statuses"]):
            raise SystemExit(f"not every request was answered well: {result['statuses']}")
        spent = cpu_us(self.pids) - before
        count = result["requests"]
        return Measured(spent / count, count / result["seconds"], result["p50_ms"], result["p99_ms"])


def request(method: str, path: str, token: str = "", body: dict[str, Any] | None = None) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    text = "" if body is None else json.dumps(body)
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(text.encode())}"]
    return "\r\n".join(lines) + "\r\n\r\n" + text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def call(port: int, path: str, body: dict[str, Any] | None = None, token: str = "") -> bytes:
    sent = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", None if body is None else json.dumps(body).encode()
    )
    sent.add_header("Content-Type", "application/json")
    if token:
        sent.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(sent, timeout=10) as answer:
        answered: bytes = answer.read()
        return answered


@contextmanager
def waggle(store: str, rows: int, folder: Path) -> Iterator[tuple[Target, str]]:
    """A Waggle with `rows` posts, and an access token of one of its users."""
    with ExitStack() as stack:
        env = {"WAGGLE_PASSWORD_COST": "4", "WAGGLE_DATA_DIR": str(folder), "WAGGLE_RATE_LIMITS": LIMITS}
        extra: list[int] = []
        if store == "postgres":
            from tests.integration import servers  # noqa: PLC0415 - only where it is wanted

            running = stack.enter_context(servers.postgres())
            url = stack.enter_context(servers.fresh_database(running))
            env["WAGGLE_DATABASE_URL"] = url
        subprocess.run(
            [sys.executable, "-m", "entrypoints.cli", "migrate"],
            env={**os.environ, **env, "PYTHONPATH": str(ROOT / "src")},
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        if store == "postgres":
            fill.fill_postgres(url, rows)
            extra = _postgres_pids()
            for pid in extra:
                os.sched_setaffinity(pid, {0})
        else:
            fill.fill_sqlite(str(folder / "waggle.db"), rows)
        port = free_port()
        process = stack.enter_context(
            server("-m", "entrypoints.cli", "serve", port=port, path="/livez", env=env)
        )
        tokens = json.loads(call(port, "/api/v1/auth/register", BEE))["tokens"]
        yield Target(port, [process.pid, *extra]), tokens["access_token"]


def _postgres_pids() -> list[int]:
    """The PostgreSQL that this process has just started, and its children."""
    return [pid for pid in family(os.getpid()) if _name(pid) in {"postgres", "postmaster"}]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def measure(store: str, rows: int, rounds: int, seconds: float) -> list[dict[str, Any]]:
    chance = random.Random(7)
    ids = chance.sample(fill.post_ids(rows), 2_000)
    with tempfile.TemporaryDirectory() as name, waggle(store, rows, Path(name)) as (target, token):
        pages = [f"/api/v1/users/{fill.user_id(int(999 * chance.random() ** 2))}/posts" for _ in range(500)]
        cases = {
            "read a post": [request("GET", f"/api/v1/posts/{id_}", token) for id_ in ids],
            "page of a user's posts": [request("GET", path, token) for path in pages],
            "create a post": [request("POST", "/api/v1/posts", token, {"text": fill.TEXT.strip()})],
        }
        bodies = {
            "read a post": call(target.port, f"/api/v1/posts/{ids[0]}", token=token),
            "page of a user's posts": call(target.port, pages[0], token=token),
            "create a post": call(target.port, "/api/v1/posts", {"text": fill.TEXT.strip()}, token),
        }
        return [
            {"store": store, "rows": rows, "case": case}
            | _beside_floor(target, requests, bodies[case], rounds, seconds, Path(name))
            for case, requests in cases.items()
        ]


def _beside_floor(
    target: Target, requests: list[str], body: bytes, rounds: int, seconds: float, folder: Path
) -> dict[str, Any]:
    (folder / "body").write_bytes(body)
    port = free_port()
    env = {"BENCH_BODY": str(folder / "body")}
    method = requests[0].partition(" ")[0]
    with server("-m", "bench.floor", str(port), port=port, path="/", env=env) as process:
        floor = Target(port, [process.pid])
        bare = [request(method, "/", "", {} if method == "POST" else None)]
        target.measure(requests, 1)  # warm up
        floor.measure(bare, 1)
        ours, floors = [], []
        for _ in range(rounds):  # in turn: the machine is shared and its speed drifts
            floors.append(floor.measure(bare, seconds))
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--stores", nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    print("| store | posts | case | CPU µs | floor µs | floor ÷ ours | req/s | p50 ms | p99 ms |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for store in arguments.stores:
        for rows in arguments.rows:
            for row in measure(store, rows, arguments.rounds, arguments.seconds):
                print(
                    "| {store} | {rows:,} | {case} | {cpu_us:.0f} | {floor_us:.0f} | {ratio:.0%} | {per_second:,.0f} "
                    "| {p50_ms:.1f} | {p99_ms:.1f} |".format(**row),
                    flush=True,
                )


if __name__ == "__main__":
    main()
