"""Input that is not valid HTTP, or no valid text: it is counted, and does not fill the log."""

import asyncio
from typing import Any

import pytest

from entrypoints.http.connections import REPEAT_SECONDS
from entrypoints.http.request_middleware import MAX_HEADER_BYTES
from entrypoints.log_events import InvalidHttp

from .connection_harness import UPGRADE, Server, Wire, problem, statuses


@pytest.fixture
async def server() -> Server:
    return Server()


async def test_requests_that_are_not_http_are_counted_and_logged_once_a_minute(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)

    def send(data: bytes) -> Wire:
        wire = Wire()
        server.connect(wire).data_received(data)
        return wire

    first = problem(send(b"\x16\x03\x01\x02"))
    for _ in range(30):
        send(b"hello\r\n\r\n")
    send(b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEADER_BYTES)
    send(UPGRADE % b"Host: b\r\n")
    now += REPEAT_SECONDS
    last = problem(send(UPGRADE % b"Content-Length: 5\r\n"))

    assert server.all.invalid == {"malformed": 31, "too_large": 1, "upgrade": 2}
    lines: list[object] = [record.msg for record in caplog.records]
    events = [line for line in lines if isinstance(line, InvalidHttp)]
    assert len(events) == len(lines)
    assert [(line.count, line.defect, line.request_id, line.network) for line in events] == [
        (1, "malformed", first["request_id"], "192.0.2.0/24"),
        (33, "upgrade", last["request_id"], "192.0.2.0/24"),
    ]


async def test_an_unknown_upgrade_is_ignored_without_a_line_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.may.set()
    server.receive(b"GET /1 HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    await server.idle()

    assert statuses(server.wire) == [b"HTTP/1.1 200 OK"]
    assert (caplog.records, server.all.invalid.total()) == ([], 0)


@pytest.mark.parametrize("frames", [[b"\x81\x82", b"\xff\xfe"], [b"\x01\x81", b"\xe2", b"\x80\x81", b"\x41"]])
async def test_a_text_that_is_not_utf8_ends_a_websocket_without_a_line_in_the_log(
    server: Server, caplog: pytest.LogCaptureFixture, frames: list[bytes]
) -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        ended.set()

    server.connection.app = app
    server.connection.config.loaded_app = app
    server.receive(UPGRADE % b"")
    for _ in range(100):
        await asyncio.sleep(0)
    assert b"101 Switching" in server.wire.written
    heads, payloads = frames[::2], frames[1::2]
    for head, payload in zip(heads, payloads, strict=True):
        server.wire.protocol.data_received(head + b"\0\0\0\0" + payload)  # the mask changes nothing
    server.wire.protocol.connection_lost(None)
    await asyncio.wait_for(ended.wait(), 10)

    assert server.wire.written.endswith(b"\x88\x02\x03\xef")  # a close frame with 1007
    assert [record.getMessage() for record in caplog.records] == []
