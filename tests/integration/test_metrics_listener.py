"""The listener of metrics: what it refuses, and how it makes room for a scrape."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from entrypoints.http.connections import REPEAT_SECONDS
from entrypoints.http.metrics_listener import (
    HEADER_SECONDS,
    MAX_CONNECTIONS,
    HostNames,
    MetricsConnections,
    serving_metrics,
)
from entrypoints.log_events import MetricsHostRefused, TooManyMetricsConnections

NAMES = HostNames(("waggle.internal", "*.svc.cluster.local"))


@dataclass
class Listener:
    port: int = 0
    connections: MetricsConnections = field(default_factory=MetricsConnections)
    may_respond: asyncio.Event = field(default_factory=asyncio.Event)
    scrapes: int = 0

    async def expose(self, _accept: str) -> tuple[str, bytes]:
        self.scrapes += 1
        await self.may_respond.wait()
        return "text/plain", b"up 1\n"


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    with socket.create_server(("127.0.0.1", 0)) as system:
        made.port = system.getsockname()[1]
        async with serving_metrics(system, made.expose, NAMES, made.connections):
            yield made


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it does not happen")


async def ask(port: int, host: bytes = b"localhost", *, silently: bool = False) -> bytes:
    """The whole answer. A `silent` client sends nothing: to one that is refused, the system may otherwise tell that its connection
    was reset before it tells the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if not silently:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        return await reader.read()
    finally:
        writer.close()


async def test_an_unknown_host_gets_421_and_one_line_a_minute(
    listener: Listener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener.may_respond.set()

    answers = [await ask(listener.port, b"evil.example:9091") for _ in range(3)]
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    monkeypatch.setattr(loop, "time", lambda: began + REPEAT_SECONDS + 1)
    answers.append(await ask(listener.port, b"evil.example"))

    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 421 Misdirected Request"}
    assert listener.scrapes == 0
    lines = [record.msg for record in caplog.records if isinstance(record.msg, MetricsHostRefused)]
    assert [line.network for line in lines] == ["127.0.0.0/24"] * 2
    assert (await ask(listener.port, b"waggle.internal")).endswith(b"up 1\n")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: ",
        b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    ],
)
async def test_slow_connections_make_room_for_a_scrape(
    listener: Listener, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    listener.may_respond.set()
    slow: list[asyncio.StreamWriter] = []
    for _ in range(MAX_CONNECTIONS + 5):
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(sent)
        slow.append(writer)
    await until(lambda: len(listener.connections) == MAX_CONNECTIONS)

    answers = [await ask(listener.port) for _ in range(20)]
    for writer in slow:
        writer.close()

    assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
    assert listener.connections.refused.total() == 0
    assert caplog.records == []


async def test_scrapes_in_progress_are_not_cut_off_and_another_one_is_refused(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    scrapes = [asyncio.create_task(ask(listener.port)) for _ in range(MAX_CONNECTIONS)]
    await until(lambda: listener.scrapes == MAX_CONNECTIONS)

    refused = [await ask(listener.port, silently=True) for _ in range(3)]
    listener.may_respond.set()

    assert [answer.split(b"\r\n")[0] for answer in refused] == [b"HTTP/1.1 503 Service Unavailable"] * 3
    assert [answer.endswith(b"up 1\n") for answer in await asyncio.gather(*scrapes)] == [
        True
    ] * MAX_CONNECTIONS
    assert listener.connections.refused["process"] == 3
    (line,) = [record.msg for record in caplog.records]
    assert isinstance(line, TooManyMetricsConnections)
    assert line.count == MAX_CONNECTIONS


async def test_a_slow_header_ends_a_connection_after_two_seconds(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nX: ")
    await until(lambda: len(listener.connections) == 1)
    began = asyncio.get_running_loop().time()

    listener.connections.end_overdue(began + HEADER_SECONDS)
    answer = b""
    async with asyncio.timeout(30):
        with suppress(ConnectionResetError):
            answer = await reader.read()
    writer.close()
    await until(lambda: not listener.connections)
    assert answer == b""
    assert HEADER_SECONDS == 2
