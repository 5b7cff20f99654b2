"""A small HTTP/1.1 load generator over keep-alive connections.

Without `--rate` each connection sends one request after the other, for a number of seconds or, with `--once`, until
each request was sent once. With `--rate` requests arrive at random with this mean rate, whether or not answers keep up;
the time of waiting for a free connection counts.

It runs in its own process on its own core, so that its cost is not the server's."""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Result:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]


@dataclass(slots=True)
class _Answers:
    latencies: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def add(self, seconds: float, status: str) -> None:
        self.latencies.append(seconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def result(self, took: float) -> Result:
        count = len(self.latencies)
        if not count:
            raise SystemExit("no answer came")
        self.latencies.sort()
        p50, p99 = self.latencies[count // 2] * 1e3, self.latencies[count * 99 // 100] * 1e3
        return Result(count, took, p50, p99, self.statuses)


class _Connection(asyncio.Protocol):
    """One request at a time. An answer ends where its Content-Length says, or with its last chunk."""

    def __init__(self, answers: _Answers, free: Callable[["_Connection"], None]) -> None:
        self._answers, self._free = answers, free
        self._buffer = b""
        self._since = 0.0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, since: float) -> None:
        """`since` is the time at which the request was due."""
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head, gap, body = self._buffer.partition(b"\r\n\r\n")
        if not gap:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length or (b"transfer-encoding: chunked" in lower and not body.endswith(LAST_CHUNK)):
            return
        self._buffer = b""
        self._answers.add(time.perf_counter() - self._since, head[9:12].decode())
        self._free(self)

    def close(self) -> None:
        self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


async def _connect(
    port: int, count: int, answers: _Answers, free: Callable[[_Connection], None]
) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    made = [_Connection(answers, free) for _ in range(count)]
    for connection in made:
        await loop.create_connection(lambda one=connection: one, "127.0.0.1", port)  # type: ignore[misc]
    return made


async def closed(
    port: int, requests: Sequence[bytes], connections: int, seconds: float, *, once: bool
) -> Result:
    """As fast as answers arrive."""
    answers = _Answers()
    started = time.perf_counter()
    until = started + seconds
    at = 0

    def go_on(connection: _Connection) -> None:
        nonlocal at
        now = time.perf_counter()
        if now >= until or (once and at >= len(requests)):
            connection.close()
            return
        request = requests[at % len(requests)]
        at += 1
        connection.send(request, now)

    made = await _connect(port, connections, answers, go_on)
    for connection in made:
        go_on(connection)
    async with asyncio.timeout(seconds + 30):
        await asyncio.gather(*(connection.lost for connection in made))
    return answers.result(time.perf_counter() - started)


async def at_rate(
    port: int, requests: Sequence[bytes], connections: int, seconds: float, rate: float
) -> Result:
    """At the given rate. Spins, since a timer of a millisecond would be coarser than the answers."""
    answers = _Answers()
    chance = random.Random(1)
    idle: deque[_Connection] = deque()
    waiting: deque[tuple[bytes, float]] = deque()

    over = False

    def go_on(connection: _Connection) -> None:
        if waiting:
            connection.send(*waiting.popleft())
        elif over:
            connection.close()
        else:
            idle.append(connection)

    made = await _connect(port, connections, answers, go_on)
    idle.extend(made)
    started = due = time.perf_counter()
    sent = 0
    while (now := time.perf_counter()) < started + seconds:
        while due <= now:
            request = requests[sent % len(requests)]
            sent += 1
            if idle:
                idle.popleft().send(request, due)
            else:
                waiting.append((request, due))
            due += chance.expovariate(rate)
        await asyncio.sleep(0)
    over = True
    for connection in idle:
        connection.close()
    async with asyncio.timeout(30):
        await asyncio.gather(*(connection.lost for connection in made))
    took = time.perf_counter() - started
    return answers.result(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--rate", type=float, help="requests per second")
    chosen = parser.parse_args()
    requests = [request.encode("latin-1") for request in json.load(sys.stdin)]
    common = chosen.port, requests, chosen.connections, chosen.seconds
    result = uvloop.run(at_rate(*common, chosen.rate) if chosen.rate else closed(*common, once=chosen.once))
    json.dump({name: getattr(result, name) for name in Result.__slots__}, sys.stdout)


if __name__ == "__main__":
    main()
