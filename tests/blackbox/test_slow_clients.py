"""Clients that send nothing, or send slowly, do not delay other clients and are disconnected."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from .client import Api
from .conftest import OWN_SERVER, RUNNING, SHAPES, a_waggle
from .process import Waggle

pytestmark = pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)

HEAD = b"HTTP/1.1\r\nHost: waggle\r\n"
POST = b"POST /api/v1/auth/login " + HEAD + b"Content-Type: application/json\r\n"
UPGRADE = b"""Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
"""
KINDS: dict[str, tuple[bytes, bytes]] = {
    "says nothing": (b"", b""),
    "half a header": (b"GET /livez " + HEAD + b"X-SlowClient: ", b"x"),
    "blank lines": (b"", b"\r\n"),
    "blank lines after a request": (b"GET /livez " + HEAD + b"\r\n", b"\r\n"),
    "half a header after a request": (b"GET /livez " + HEAD + b"\r\nGET /livez ", b"x"),
    "a body byte by byte": (POST + b"Content-Length: 1000\r\n\r\n", b" "),
    "a body in chunks of a byte": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body that nobody reads": (b"GET /livez " + HEAD + b"Content-Length: 1000\r\n\r\n", b" "),
    "an upgrade with a body": (b"GET /api/v1/x " + HEAD + UPGRADE + b"Content-Length: 1000\r\n\r\n", b" "),
    "headers without end in chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
}
"""The bytes that are sent at first, and those that are sent every second afterwards."""
EACH = 20
CLOSED_WITHIN = 16.0
"""Seconds after which all connections must be closed: 10 for headers or a body, and a margin for the machine."""


@dataclass
class SlowClient:
    kind: str
    connection: socket.socket
    ended: float | None = None

    def send_byte(self) -> None:
        """Send one more byte. Records when the server has closed the connection."""
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


def slow_clients(waggle: Waggle, stack: ExitStack) -> Iterator[SlowClient]:
    for number, (kind, (first, _)) in enumerate(KINDS.items()):
        for _ in range(EACH):
            connection = stack.enter_context(connect(waggle, f"127.0.{number + 1}.1"))
            connection.sendall(first)
            connection.setblocking(False)
            yield SlowClient(kind, connection)


def response_times(http: httpx.Client, seconds: float) -> list[float]:
    """The response times of ordinary requests during `seconds` seconds, sorted."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        assert http.get("/api/v1/users?username=nobody_there").status_code == 404
        found.append(time.perf_counter() - began)
        time.sleep(0.005)  # an ordinary client, not a load
    return sorted(found)


@pytest.mark.parametrize("shape", SHAPES[:1])
def test_two_hundred_slow_clients_are_closed_and_do_not_delay_others(
    request: pytest.FixtureRequest, shape: str, tmp_path: Path
) -> None:
    with a_waggle(request, shape, tmp_path) as waggle, ExitStack() as stack:
        http = stack.enter_context(httpx.Client(base_url=waggle.base_url, timeout=10))
        before = response_times(http, 2)
        slow = list(slow_clients(waggle, stack))
        assert len(slow) == 200
        began = time.monotonic()
        meanwhile: list[float] = []
        while any(one.ended is None for one in slow) and time.monotonic() < began + CLOSED_WITHIN:
            for one in slow:
                if one.ended is None:
                    one.send_byte()
            meanwhile += response_times(http, 1)

        held = {one.kind for one in slow if one.ended is None}
        assert not held
        meanwhile.sort()
        p99, p99_before = (found[int(len(found) * 0.99)] for found in (meanwhile, before))
        assert p99 < 2 * p99_before + 0.1


@pytest.mark.parametrize("shape", SHAPES[:1])
def test_a_network_can_hold_at_most_a_hundred_connections(
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
        while _retry(waggle) != b"HTTP/1.1 200 OK":  # until the other connections are closed
            assert time.monotonic() < end


def test_endless_headers_are_refused(api: Api, server: Waggle) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /livez " + HEAD)
        with suppress(OSError):  # the server closes while the test still sends
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


def _retry(waggle: Waggle) -> bytes:
    with connect(waggle, "127.0.5.1") as connection:
        return _probe(connection)
