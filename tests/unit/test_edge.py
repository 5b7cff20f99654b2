"""The outermost layer: whatever happens inside, the client gets an answer that says what and by which id."""

import asyncio
import time
from typing import Any

import msgspec
import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.memory.limits import MemoryLimiter
from entrypoints.http import edge
from entrypoints.http.edge import Edge
from entrypoints.http.limits import Limits, rates
from entrypoints.http.network import Networks


def an_edge(app: ASGIApp) -> Edge:
    limits = Limits(MemoryLimiter(time.monotonic), rates("anonymous=2/60"))
    return Edge(app, access_log="off", hsts=False, networks=Networks(), limits=limits)


async def ask(
    app: ASGIApp, method: str = "GET", *headers: tuple[bytes, bytes]
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": method, "path": "/api/v1/x", "headers": list(headers)}
    await an_edge(app)(scope, receive, send)
    start, *rest = sent
    return start["status"], dict(start["headers"]), b"".join(message["body"] for message in rest)


async def sleeps(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def raises(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("secret words")


async def echoes_method(scope: Any, _receive: Receive, send: Send) -> None:
    start: Any = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"seen", scope["method"].encode())],
    }
    end: Any = {"type": "http.response.body", "body": b"", "more_body": False}
    await send(start)
    await send(end)


async def test_a_request_that_waits_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "REQUEST_DEADLINE", 0.01)

    status, headers, body = await ask(sleeps)

    problem = msgspec.json.decode(body)
    assert (status, problem["code"]) == (504, "deadline_exceeded")
    assert headers[b"content-type"] == b"application/problem+json"
    assert problem["request_id"].encode() == headers[b"x-request-id"]


async def test_a_request_that_is_cancelled_from_outside_stays_cancelled() -> None:
    asked = asyncio.create_task(ask(sleeps))
    await asyncio.sleep(0)
    asked.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_a_mistake_of_ours_answers_500_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = await ask(raises)

    assert (status, msgspec.json.decode(body)["code"]) == (500, "internal")
    assert b"secret" not in body
    assert "secret words" in caplog.text


async def test_a_given_request_id_comes_back_and_an_odd_one_does_not() -> None:
    _, given, _ = await ask(echoes_method, "GET", (b"x-request-id", b"abc-1"))
    _, odd, _ = await ask(echoes_method, "GET", (b"x-request-id", b"a b\xff"))

    assert given[b"x-request-id"] == b"abc-1"
    assert odd[b"x-request-id"] != b"a b\xff"


async def test_head_is_asked_of_the_routes_as_get() -> None:
    _, headers, _ = await ask(echoes_method, "HEAD")

    assert headers[b"seen"] == b"GET"
