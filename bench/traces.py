"""The cost of traces: processor time per request, within one process, on SQLite.

    python -m bench.traces [--rounds 7] [--requests 3000] [--before ../waggle-before]

`--before` names a checkout of an earlier commit, to compare with a server that knows no traces. Every round starts one
process for each way of recording, in turn; the figures are medians. `request` is the thread that serves requests, `all`
includes the thread that encodes and sends spans. Reads are of a single post, writes are likes and their undoing, with
the handlers of their events."""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RATIOS = {"off": None, "ratio 0": "0", "ratio 0.01": "0.01", "ratio 1": "1"}
BEFORE = "before"


class Client:
    """Requests to an ASGI application, without a network."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.token = ""

    async def ask(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        headers = [(b"host", b"127.0.0.1"), (b"content-length", b"%d" % len(data))]
        if body is not None:
            headers.append((b"content-type", b"application/json"))
        if self.token:
            headers.append((b"authorization", f"Bearer {self.token}".encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
            "headers": headers,
            "asgi": {"version": "3.0"},
            "state": {},
            "extensions": {},
        }
        said: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        if said[0]["status"] != status:
            raise SystemExit(f"{method} {path}: {said[0]['status']} {said[1]['body'][:200]!r}")
        return json.loads(said[1]["body"]) if said[1]["body"] else None


async def child(requests: int) -> None:
    """Measure one way of recording, as the environment says, and print the figures in microseconds."""
    from entrypoints.container import build  # noqa: PLC0415 - of the checkout that is measured
    from entrypoints.http.app import create_app  # noqa: PLC0415
    from entrypoints.runtime import running  # noqa: PLC0415
    from entrypoints.settings import Settings  # noqa: PLC0415

    settings = Settings.read()
    container = build(settings)
    async with running(container, settings):
        client = Client(create_app(container, settings))
        account = {"username": "bee", "email": "bee@example.org", "password": "correct horse battery"}
        client.token = (await client.ask("POST", "/api/v1/auth/register", account, 201))["tokens"][
            "access_token"
        ]
        post = (await client.ask("POST", "/api/v1/posts", {"text": "hello"}, 201))["id"]

        async def read() -> None:
            await client.ask("GET", f"/api/v1/posts/{post}")

        async def write() -> None:
            await client.ask("PUT", f"/api/v1/posts/{post}/like")
            await client.ask("DELETE", f"/api/v1/posts/{post}/like")
            for _ in range(1000):
                if not await container.outbox_queue().waiting():
                    break
                await asyncio.sleep(0.025)

        found = {}
        for name, work, times, per in (("read", read, requests, 1), ("write", write, requests // 20, 2)):
            for _ in range(times // 5):
                await work()
            thread, process = time.thread_time(), time.process_time()
            for _ in range(times):
                await work()
            thread, process = time.thread_time() - thread, time.process_time() - process
            found[name] = (thread / times / per * 1e6, process / times / per * 1e6)
    print(json.dumps(found))


def measured(source: Path, ratio: str | None, url: str, requests: int) -> dict[str, tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        env = {name: value for name, value in os.environ.items() if not name.startswith("WAGGLE_")} | {
            "PYTHONPATH": f"{source / 'src'}:{ROOT}",
            "WAGGLE_DATA_DIR": folder,
            "WAGGLE_PASSWORD_COST": "4",
            "WAGGLE_RATE_LIMITS": "read=1000000/1,write=1000000/1",
        }
        if ratio is not None:
            env |= {"WAGGLE_TRACES_URL": url, "WAGGLE_TRACES_RATIO": ratio}
        done = subprocess.run(
            [sys.executable, "-m", "bench.traces", "--child", "--requests", str(requests)],
            env=env,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        found: dict[str, tuple[float, float]] = json.loads(done.stdout)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        asyncio.run(child(arguments.requests))
        return
    from tests.integration.collector import collector  # noqa: PLC0415 - a child must not load the library

    ways = {name: (ROOT, ratio) for name, ratio in RATIOS.items()}
    if arguments.before:
        ways = {BEFORE: (arguments.before.resolve(), None), **ways}
    found: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in ways}
    with collector("drop") as collected:
        for _ in range(arguments.rounds):
            for name, (source, ratio) in ways.items():
                found[name].append(measured(source, ratio, collected.url, arguments.requests))
    print(
        "| µs of CPU per request | read: request | all | write: request | all |\n| --- | --- | --- | --- | --- |"
    )
    for name, runs in found.items():
        cells = [
            f"{statistics.median(run[kind][column] for run in runs):.0f} ({min(run[kind][column] for run in runs):.0f})"
            for kind in ("read", "write")
            for column in (0, 1)
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
