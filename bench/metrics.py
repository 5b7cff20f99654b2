"""The cost of metrics: reading a post with metrics off and on, in turn, in one run; a start, memory, and a scrape.

    python -m bench.metrics [--rounds 7] [--seconds 3] [--starts 5] [--instructions]

The server's figures include the kernel and the parser. The figures "in process" call the application without a server,
which shows a difference of a microsecond that the noise of a machine hides. `--instructions` counts instructions with
valgrind, which depends on no machine; it takes a few minutes."""

import argparse
import asyncio
import dataclasses
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import fill
from bench.footprint import start
from bench.processes import ROOT, SERVER_CORE, on_core
from bench.stack import Target, call, free_port, request, stack
from entrypoints.container import build
from entrypoints.http.app import create_app
from entrypoints.runtime import running
from entrypoints.settings import Settings

ROWS = 20_000
BEE = {"username": "bee", "email": "bee@example.org", "password": "correct horse battery"}
STATES = ("off", "on")
BLOCK = 500


def served(rounds: int, seconds: float) -> None:
    """Both servers run all the time; the one that is not asked does nearly nothing."""
    ids = fill.post_ids(ROWS)[:2_000]
    spent: dict[str, list[float]] = {state: [] for state in STATES}
    with ExitStack() as open_:
        targets: dict[str, tuple[Target, list[str]]] = {}
        metrics = f"127.0.0.1:{free_port()}"
        for state in STATES:
            folder = Path(open_.enter_context(tempfile.TemporaryDirectory()))
            stores = open_.enter_context(stack("embedded", fill.tables(ROWS), folder))
            if state == "on":
                stores = dataclasses.replace(stores, env=stores.env | {"WAGGLE_METRICS_ADDRESS": metrics})
            target = open_.enter_context(stores.serving())
            token = json.loads(call(target.port, "/api/v1/auth/register", BEE))["tokens"]["access_token"]
            targets[state] = target, [request("GET", f"/api/v1/posts/{id_}", token) for id_ in ids]
            target.measure(targets[state][1], 1)
        for number in range(rounds):
            for state in STATES if number % 2 else reversed(STATES):
                target, requests = targets[state]
                spent[state].append(target.measure(requests, seconds).cpu_us)
        target = targets["on"][0]
        before, began = target.spent(), time.perf_counter()
        for _ in range(50):
            with urllib.request.urlopen(f"http://{metrics}/metrics") as response:
                size = len(response.read())
        scrape_us, took = (target.spent() - before) / 50, (time.perf_counter() - began) / 50
    print_row("read a post, CPU µs of the server", spent)
    print(f"| a scrape of {size / 1000:.0f} KB | {scrape_us / 1000:.1f} ms CPU, {took * 1000:.1f} ms | | |")


def print_row(name: str, spent: dict[str, list[float]]) -> None:
    off, on = (min(spent[state]) for state in STATES)
    middle = statistics.median(b - a for a, b in zip(spent["off"], spent["on"], strict=True))
    print(f"| {name} | {off:.1f} | {on:.1f} | {on - off:+.1f} (median of pairs {middle:+.1f}) |", flush=True)


class Inside:
    """The application in this process, over a store in memory, asked without a server."""

    def __init__(self, state: str) -> None:
        address = "127.0.0.1:9091" if state == "on" else ""
        self.settings = Settings(
            database_url="memory:",
            password_cost=4,
            metrics_address=address,
            access_log="off",
            rate_limits="read=1000000/1",
        )
        self.container = build(self.settings)
        self.app = create_app(self.container, self.settings)
        self.headers: list[tuple[bytes, bytes]] = [(b"host", b"waggle")]
        self.path = ""

    async def prepare(self) -> None:
        out = json.loads(await self._ask("POST", "/api/v1/auth/register", BEE))
        self.headers.append((b"authorization", b"Bearer " + out["tokens"]["access_token"].encode()))
        self.path = (
            f"/api/v1/posts/{json.loads(await self._ask('POST', '/api/v1/posts', {'text': 'bloom'}))['id']}"
        )

    async def read(self, times: int) -> None:
        for _ in range(times):
            await self._ask("GET", self.path)

    async def _ask(self, method: str, path: str, body: Any = None) -> bytes:
        parts: list[bytes] = []

        async def receive() -> Any:
            return {
                "type": "http.request",
                "body": json.dumps(body).encode() if body else b"",
                "more_body": False,
            }

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                parts.append(message["body"])
            elif message["status"] >= 300:
                raise SystemExit(f"{method} {path} ended with {message['status']}")

        headers = [*self.headers, (b"content-type", b"application/json")] if body else self.headers
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
        }
        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return b"".join(parts)


async def in_process(rounds: int) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {state: [] for state in STATES}
    insides = {state: Inside(state) for state in STATES}
    async with (
        running(insides["off"].container, insides["off"].settings),
        running(insides["on"].container, insides["on"].settings),
    ):
        for inside in insides.values():
            await inside.prepare()
            await inside.read(BLOCK)
        for number in range(rounds * 20):
            for state in STATES if number % 2 else reversed(STATES):
                began = time.process_time()
                await insides[state].read(BLOCK)
                spent[state].append((time.process_time() - began) / BLOCK * 1e6)
    return spent


async def counted(state: str, times: int) -> None:
    """For valgrind: nothing but `times` requests differs between two runs."""
    inside = Inside(state)
    async with running(inside.container, inside.settings):
        await inside.prepare()
        await inside.read(times)


def instructions(state: str, times: int, folder: str) -> int:
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable]
    command += ["-m", "bench.metrics", "--counted", state, str(times)]
    done = subprocess.run(
        [*on_core(SERVER_CORE), *command],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin", "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise SystemExit(done.stderr[-2000:])
    return int(found[1])


def footprints(starts: int) -> None:
    figures: dict[str, list[tuple[float, float]]] = {state: [] for state in STATES}
    with tempfile.TemporaryDirectory() as folder:
        serve = ["-m", "entrypoints.cli", "serve"]
        for number in range(starts + 1):
            for state in STATES:
                env = {"WAGGLE_DATA_DIR": f"{folder}/{state}"}
                if state == "on":
                    env["WAGGLE_METRICS_ADDRESS"] = f"127.0.0.1:{free_port()}"
                found = start(serve, "/livez", env)
                if number:  # the first one migrates
                    figures[state].append(found)
    for index, name in enumerate(("first response, s", "idle, MB")):
        off, on = (statistics.median(one[index] for one in figures[state]) for state in STATES)
        print(f"| {name} | {off:.2f} | {on:.2f} | {on / off - 1:+.1%} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--counted", nargs=2, metavar=("STATE", "TIMES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.counted:
        asyncio.run(counted(arguments.counted[0], int(arguments.counted[1])))
        return
    print("| | off | on | difference |\n| --- | --- | --- | --- |")
    print_row("read a post, CPU µs in process", asyncio.run(in_process(arguments.rounds)))
    served(arguments.rounds, arguments.seconds)
    if arguments.starts:
        footprints(arguments.starts)
    if arguments.instructions:
        with tempfile.TemporaryDirectory() as folder:
            each = {
                state: (instructions(state, 1_200, folder) - instructions(state, 200, folder)) / 1_000
                for state in STATES
            }
        off, on = each["off"], each["on"]
        print(
            f"| read a post, instructions in process | {off:,.0f} | {on:,.0f} | {on - off:+,.0f} ({on / off - 1:+.1%}) |"
        )


if __name__ == "__main__":
    main()
