"""The limits of a connection: so many requests, so many bytes, and nothing that is no HTTP."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from entrypoints.http.bounded_protocol import MAX_PIPELINED, MAX_PIPELINED_BYTES
from entrypoints.http.request_middleware import MAX_HEADER_BYTES

from .connection_harness import REQUEST, UPGRADE, Server, Wire, problem, statuses


@pytest.fixture
async def server() -> Server:
    return Server()


def many(count: int) -> bytes:
    return b"".join(REQUEST % number for number in range(count))


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
