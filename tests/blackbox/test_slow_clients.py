"""Who says nothing, or says it slowly, keeps nobody else from being served, and is not waited for."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from .client import Api
from .conftest import RUNNING, SHAPES, a_waggle
from .process import Waggle

pytestmark = pytest.mark.skipif(bool(RUNNING), reason="needs a server of its own")

HEAD = b"HTTP/1.1\r\nHost: waggle\r\n"
POST = b"POST /api/v1/auth/login " + HEAD + b"Content-Type: application/json\r\n"
UPGRADE = b"""Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
"""
KINDS: dict[str, tuple[bytes, bytes]] = {
    "says nothing": (b"", b""),
    "half a header": (b"GET /livez " + HEAD + b"X-Slow: ", b"x"),
    "blank lines": (b"", b"\r\n"),
    "blank lines after a request": (b"GET /livez " + HEAD + b"\r\n", b"\r\n"),
    "half a header after a request": (b"GET /livez " + HEAD + b"\r\nGET /livez ", b"x"),
    "a body byte by byte": (POST + b"Content-Length: 1000\r\n\r\n", b" "),
    "a body in chunks of a byte": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body that nobody reads": (b"GET /livez " + HEAD + b"Content-Length: 1000\r\n\r\n", b" "),
    "an upgrade with a body": (b"GET /api/v1/x " + HEAD + UPGRADE + b"Content-Length: 1000\r\n\r\n", b" "),
    "headers without end in chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
}
"""What is sent at first, and then once a second."""
EACH = 20
PATIENCE = 16.0
"""Seconds after which all must be closed: 10 for headers or a body, and what the machine needs."""


@dataclass
class Slow:
    kind: str
    connection: socket.socket
    ended: float | None = None

    def goes_on(self) -> None:
        """One byte more; notes when the server has closed."""
        with suppress(BlockingIOError):
            try:
                self.connection.send(KINDS[self.kind][1])
                while self.connection.recv(65536):
                    pass
                self.ended = time.monotonic()
            except OSError as error:
                if isinstance(error, BlockingIOError):
                    raise
                self.ended = time.monotonic()


def connect(waggle: Waggle, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", waggle.port), 10, (source, 0))


def slow_ones(waggle: Waggle, stack: ExitStack) -> Iterator[Slow]:
    for number, (kind, (first, _)) in enumerate(KINDS.items()):
        for _ in range(EACH):
            connection = stack.enter_context(connect(waggle, f"127.0.{number + 1}.1"))
            connection.sendall(first)
            connection.setblocking(False)
            yield Slow(kind, connection)


def times(http: httpx.Client, seconds: float) -> list[float]:
    """How long ordinary requests take, for that long; sorted."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        assert http.get("/api/v1/users?username=nobody_there").status_code == 404
        found.append(time.perf_counter() - began)
        time.sleep(0.005)
    return sorted(found)


@pytest.mark.parametrize("shape", SHAPES[:1])
def test_in5_two_hundred_slow_clients_hold_up_nobody_and_are_closed(
    request: pytest.FixtureRequest, shape: str, tmp_path: Path
) -> None:
    with a_waggle(request, shape, tmp_path) as waggle, ExitStack() as stack:
        http = stack.enter_context(httpx.Client(base_url=waggle.base_url, timeout=10))
        before = times(http, 2)
        slow = list(slow_ones(waggle, stack))
        assert len(slow) == 200
        began = time.monotonic()
        meanwhile: list[float] = []
        while any(one.ended is None for one in slow) and time.monotonic() < began + PATIENCE:
            for one in slow:
                if one.ended is None:
                    one.goes_on()
            meanwhile += times(http, 1)

        held = {one.kind for one in slow if one.ended is None}
        assert not held
        meanwhile.sort()
        p99, p99_before = (found[int(len(found) * 0.99)] for found in (meanwhile, before))
        assert p99 < 2 * p99_before + 0.1


@pytest.mark.parametrize("shape", SHAPES[:1])
def test_in5_a_network_holds_a_hundred_connections_and_not_more(
    request: pytest.FixtureRequest, shape: str, tmp_path: Path
) -> None:
    with a_waggle(request, shape, tmp_path, WAGGLE_RATE_LIMITS="on") as waggle:
        with ExitStack() as stack:
            taken = [stack.enter_context(connect(waggle, "127.0.5.1")) for _ in range(100)]
            answers = [_probe(one) for one in taken]
            one_more = _probe(stack.enter_context(connect(waggle, "127.0.5.1")))
            another = _probe(stack.enter_context(connect(waggle, "127.0.5.2")))

        assert answers == [b"HTTP/1.1 200 OK"] * 100
        assert one_more == b"HTTP/1.1 503 Service Unavailable"
        assert another == b"HTTP/1.1 200 OK"
        end = time.monotonic() + 10
        while _again(waggle) != b"HTTP/1.1 200 OK":  # when the others have gone
            assert time.monotonic() < end


def test_in5_headers_without_end_are_refused(api: Api, server: Waggle) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /livez " + HEAD)
        with suppress(OSError):  # it is closed while we still send
            for number in range(100):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 8_000))
        with suppress(ConnectionResetError):
            assert connection.recv(1000).startswith(b"HTTP/1.1 431 ")
    assert api.nobody.get("/livez").status_code == 200


def _probe(connection: socket.socket) -> bytes:
    with suppress(OSError):
        connection.sendall(b"GET /livez " + HEAD + b"\r\n")
    try:
        return connection.recv(1000).partition(b"\r\n")[0]
    except OSError:
        return b""


def _again(waggle: Waggle) -> bytes:
    with connect(waggle, "127.0.5.1") as connection:
        return _probe(connection)
