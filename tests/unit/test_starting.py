"""The answers of a server that starts."""

import asyncio
import json
from typing import Any

import pytest

from entrypoints.http.starting import _Starting, response_to


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), {name.lower(): value for name, value in fields.items()}, body


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /livez HTTP/1.1", 200, {"status": "ok", "checks": {}}),
        ("GET /readyz HTTP/1.1", 503, {"status": "unready", "checks": {"process": "starting"}}),
        ("GET /startupz HTTP/1.1", 503, {"status": "unready", "checks": {"process": "starting"}}),
        ("GET /startupz?verbose=1 HTTP/1.0", 503, {"status": "unready", "checks": {"process": "starting"}}),
    ],
)
def test_probes_are_answered(request_line: str, status: int, body: dict[str, Any]) -> None:
    found, fields, content = parsed(response_to(request_line.encode()))

    assert (found, json.loads(content)) == (status, body)
    assert (fields["content-type"], fields["cache-control"]) == ("application/json", "no-store")
    assert (fields["connection"], int(fields["content-length"])) == ("close", len(content))


@pytest.mark.parametrize(
    "request_line", ["GET /api/v1/me HTTP/1.1", "POST /livez HTTP/1.1", "GET /livez/x HTTP/1.1", "", "\x16\x03\x01"]
)  # fmt: skip
def test_everything_else_is_503(request_line: str) -> None:
    status, fields, content = parsed(response_to(request_line.encode()))

    assert (status, json.loads(content)["code"]) == (503, "overloaded")
    assert fields["content-type"] == "application/problem+json"
    assert (fields["retry-after"], fields["connection"]) == ("1", "close")
    assert json.loads(content)["request_id"] == fields["x-request-id"]


def test_head_has_the_headers_and_no_body() -> None:
    status, fields, content = parsed(response_to(b"HEAD /startupz HTTP/1.1"))

    assert (status, content) == (503, b"")
    assert int(fields["content-length"]) > 0


async def test_a_connection_is_answered_once_its_headers_are_complete() -> None:
    open_: set[asyncio.BaseTransport] = set()
    protocol, transport = _Starting(open_), Transport()
    protocol.connection_made(transport)
    protocol.data_received(b"GET /livez HTTP/1.1\r\nHost: wag")
    assert (transport.written, open_) == (b"", {transport})

    protocol.data_received(b"gle\r\n\r\n")
    protocol.data_received(b"GET /livez HTTP/1.1\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert transport.written.count(b"HTTP/1.1") == 1
    assert transport.closed
    protocol.connection_lost(None)
    assert open_ == set()


async def test_endless_headers_are_answered_too() -> None:
    protocol, transport = _Starting(set()), Transport()
    protocol.connection_made(transport)
    protocol.data_received(b"GET /livez HTTP/1.1\r\n" + b"x" * 40_000)

    assert transport.closed
