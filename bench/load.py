"""A small HTTP/1.1 load generator: keep-alive connections that each send one request after the other.

It runs in a process of its own on a core of its own, so that what it costs is not the server's.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import uvloop


@dataclass(frozen=True, slots=True)
class Result:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]


class _Connection(asyncio.Protocol):
    """One request at a time; an answer ends where its Content-Length says."""

    def __init__(
        self,
        requests: Sequence[bytes],
        start: int,
        until: float,
        latencies: list[float],
        statuses: dict[str, int],
    ) -> None:
        self._requests, self._next, self._until = requests, start, until
        self._latencies, self._statuses = latencies, statuses
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        if self._sent >= self._until:
            self._transport.close()
            return
        self._transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head, gap, body = self._buffer.partition(b"\r\n\r\n")
        if not gap:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self._buffer = b""
        self._latencies.append(time.perf_counter() - self._sent)
        status = head[9:12].decode()
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Result:
    latencies: list[float] = []
    statuses: dict[str, int] = {}
    started = time.perf_counter()
    until = started + seconds
    loop = asyncio.get_running_loop()
    step = max(1, len(requests) // connections)
    protocols = [_Connection(requests, n * step, until, latencies, statuses) for n in range(connections)]
    for protocol in protocols:
        await loop.create_connection(lambda protocol=protocol: protocol, "127.0.0.1", port)  # type: ignore[misc]
    async with asyncio.timeout(seconds + 30):
        await asyncio.gather(*(protocol.done for protocol in protocols))
    took = time.perf_counter() - started
    latencies.sort()
    count = len(latencies)
    if not count:
        raise SystemExit("no answer came")
    return Result(count, took, latencies[count // 2] * 1e3, latencies[count * 99 // 100] * 1e3, statuses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    requests = [request.encode("latin-1") for request in json.load(sys.stdin)]
    result = uvloop.run(run(arguments.port, requests, arguments.connections, arguments.seconds))
    json.dump({name: getattr(result, name) for name in Result.__slots__}, sys.stdout)


if __name__ == "__main__":
    main()
