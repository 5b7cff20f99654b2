"""What a connection takes in: so many requests, so many bytes, and nothing that is no HTTP."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from entrypoints.access.networks import Networks
from entrypoints.http.connections import (
    MAX_PIPELINED,
    MAX_PIPELINED_BYTES,
    BoundedProtocol,
    Connections,
)
from entrypoints.http.request_middleware import MAX_HEADER_BYTES

REQUEST = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


class Wire:
    """A transport that records what is written, and whether the protocol reads."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.closed = False
        self.protocol: Any = None

    def get_protocol(self) -> Any:
        return self.protocol

    def get_extra_info(self, name: str, _default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 80)}.get(name)

    def write(self, data: bytes) -> None:
        self.written += b"" if self.closed else data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Server:
    """Answers each request with its path, after `may` is set."""

    def __init__(self, per_network: int | None = None) -> None:
        self.may = asyncio.Event()
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        self.all = Connections(Networks(), per_network)
        self.wire = Wire()
        self.connection = self.connect(self.wire)

    def connect(self, wire: Wire) -> BoundedProtocol:
        config = Config(self.answer, interface="asgi3", proxy_headers=False, lifespan="off", log_config=None)
        wire.protocol = self.all.protocol(config, ServerState(), {}, asyncio.get_running_loop())
        wire.protocol.connection_made(wire)
        connection: BoundedProtocol = wire.protocol
        return connection

    async def answer(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        await self.may.wait()
        self.seen.append(scope["path"])
        body = b""
        if scope["method"] == "POST":
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
        self.bodies.append(body)
        answer = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    def receive(self, data: bytes) -> None:
        self.connection.data_received(data)

    async def idle(self) -> None:
        for _ in range(20_000):
            await asyncio.sleep(0)
            if not self.connection.pipeline and self.connection._idle():
                return
        raise AssertionError("the connection never becomes idle")


@pytest.fixture
async def server() -> Server:
    return Server()


def many(count: int) -> bytes:
    return b"".join(REQUEST % number for number in range(count))


def statuses(wire: Wire) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 \d+ [A-Za-z ]+", wire.written)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("size", [1 << 20, 64 * 1024, 777, 29])
async def test_a_connection_is_not_read_while_pipelined_requests_wait(server: Server, size: int) -> None:
    for piece in cut(many(5000), size):
        if server.wire.reading:
            server.receive(piece)

    assert 1 <= len(server.connection.pipeline) <= MAX_PIPELINED
    assert not server.wire.reading


async def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    server.receive(many(1000))
    server.may.set()
    await server.idle()

    assert server.seen == [f"/{number}" for number in range(1000)]
    assert len(statuses(server.wire)) == 1000
    assert server.wire.reading
    assert not server.wire.closed


async def test_waiting_bodies_are_bounded_in_bytes(server: Server) -> None:
    post = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
    server.receive(REQUEST % 0 + post * 10)

    waiting = sum(len(cycle.body) for cycle, _ in server.connection.pipeline)
    assert waiting <= MAX_PIPELINED_BYTES + 60_000
    assert not server.wire.reading
    server.may.set()
    await server.idle()
    assert [len(body) for body in server.bodies] == [0] + [60_000] * 10


@pytest.mark.parametrize("size", [1 << 20, 1000, 7, 1])
@pytest.mark.parametrize(
    "post",
    [
        b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nab\r\n\r\nGET /z",
        b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nab\r\n\r\n\r\n6\r\nGET /z\r\n0\r\n\r\n",
    ],
)
async def test_a_body_is_never_parsed_as_a_request_however_it_is_split(
    server: Server, post: bytes, size: int
) -> None:
    server.may.set()
    for piece in cut((REQUEST % 1 + post + REQUEST % 2) * 3, size):
        server.receive(piece)
        await asyncio.sleep(0)
    await server.idle()

    assert server.seen == ["/1", "/p", "/2"] * 3
    assert server.bodies == [b"", b"ab\r\n\r\nGET /z", b""] * 3


async def test_the_deadline_pauses_while_reading_is_stopped(server: Server) -> None:
    server.receive(many(40) + b"GET /half HTTP/1.1\r\n")
    server.connection.check_deadline(server.connection.due + 1000)

    assert not server.wire.closed
    server.may.set()
    await server.idle()
    server.connection.check_deadline(
        asyncio.get_running_loop().time() + 11
    )  # the rest of the header has not arrived
    assert server.wire.closed


def problem(wire: Wire) -> dict[str, Any]:
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/problem+json\r\n" in head
    assert b"\r\nconnection: close" in head
    assert b"content-security-policy: " in head
    found: dict[str, Any] = json.loads(body)
    assert f"x-request-id: {found['request_id']}".encode() in head
    return found


@pytest.mark.parametrize(
    "garbage", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\x03\x01\x02"]
)
async def test_garbage_gets_a_problem_with_400(server: Server, garbage: bytes) -> None:
    server.receive(garbage)

    found = problem(server.wire)
    assert (found["status"], found["code"]) == (400, "bad_request")
    assert server.wire.closed


async def test_answers_in_progress_are_sent_before_garbage_closes_the_connection(server: Server) -> None:
    server.receive(many(3) + b"hello\r\n\r\n" + many(3))
    server.may.set()
    await server.idle()

    assert server.seen == ["/0", "/1", "/2"]
    assert len(statuses(server.wire)) == 3
    assert server.wire.closed


@pytest.mark.parametrize("size", [1 << 20, 1000])
async def test_endless_headers_are_refused_with_431(server: Server, size: int) -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * (MAX_HEADER_BYTES + size)
    for piece in cut(data, size):
        server.receive(piece)

    found = problem(server.wire)
    assert (found["status"], found["code"]) == (431, "headers_too_large")
    assert server.wire.closed


async def test_trailers_do_not_become_headers(server: Server) -> None:
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.extend(scope["headers"])

    server.connection.app = app
    server.receive(
        b"POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\na\r\n0\r\nX-Forwarded-For: 203.0.113.9\r\nHost: b\r\n\r\n"
    )
    await asyncio.sleep(0)

    assert seen == [(b"host", b"a"), (b"x-forwarded-for", b"192.0.2.7"), (b"transfer-encoding", b"chunked")]


async def test_the_scope_contains_the_size_of_the_headers(server: Server) -> None:
    sizes = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        sizes.append(scope["header_bytes"])

    server.connection.app = app
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"
    server.receive(request + b"abcde")
    await asyncio.sleep(0)

    assert sizes == [len(request)]


async def test_a_connection_above_the_limit_gets_a_problem_with_503() -> None:
    server = Server(per_network=1)
    second = Wire()
    server.connect(second)

    found = problem(second)
    assert (found["status"], found["code"]) == (503, "overloaded")
    assert b"retry-after: 1" in second.written
    assert second.closed


async def test_while_draining_a_request_is_answered_with_connection_close(server: Server) -> None:
    server.all.draining = True
    server.may.set()
    server.receive(REQUEST % 1)
    await server.idle()

    assert statuses(server.wire) == [b"HTTP/1.1 200 OK"]
    assert b"connection: close" in server.wire.written
    assert server.wire.closed


UPGRADE = (
    b"GET /api/v1/stream HTTP/1.1\r\nHost: a\r\n%bUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("extra", "status"),
    [(b"Host: b\r\n", 400), (b"X: " + b"x" * MAX_HEADER_BYTES + b"\r\n", 431)],
)
async def test_an_upgrade_is_refused_for_the_same_reasons_as_another_request(
    server: Server, extra: bytes, status: int
) -> None:
    server.receive(UPGRADE % extra)

    assert problem(server.wire)["status"] == status


async def test_an_upgrade_during_an_answer_closes_the_connection_after_it(server: Server) -> None:
    server.receive(REQUEST % 1 + UPGRADE % b"")
    server.may.set()
    await server.idle()

    assert statuses(server.wire) == [b"HTTP/1.1 200 OK"]
    assert server.wire.closed
