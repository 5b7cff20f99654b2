"""The outermost layer: whatever happens inside, the client gets an answer that names the problem and the request id."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.memory.limits import MemoryLimiter
from entrypoints.access.limits import RateLimits, rates
from entrypoints.access.networks import Networks
from entrypoints.http import request_middleware
from entrypoints.http.cors import Cors, Origins
from entrypoints.http.request_middleware import RequestMiddleware
from entrypoints.http.responses import Ready


def a_middleware(app: ASGIApp) -> RequestMiddleware:
    limits = RateLimits(MemoryLimiter(time.monotonic), rates("anonymous=2/60"))
    cors = Cors(Origins(()))
    return RequestMiddleware(app, access_log="off", hsts="", networks=Networks(), limits=limits, cors=cors)


async def ask(
    app: ASGIApp | RequestMiddleware,
    method: str = "GET",
    *headers: tuple[bytes, bytes],
    body: Sequence[bytes | float | None] = (b"",),
) -> tuple[int, dict[bytes, bytes], bytes]:
    """`body` is a sequence of pieces; a number is a pause in seconds, None a pause that never ends."""
    sent: list[Any] = []
    pieces = list(body)

    async def receive() -> Any:
        piece = pieces.pop(0)
        while not isinstance(piece, bytes):
            await (asyncio.Event().wait() if piece is None else asyncio.sleep(piece))
            piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    with_host = [(b"host", b"waggle"), *headers]
    scope: Any = {"type": "http", "method": method, "path": "/api/v1/x", "headers": with_host}
    await (app if isinstance(app, RequestMiddleware) else a_middleware(app))(scope, receive, send)
    start, *rest = sent
    return start["status"], dict(start["headers"]), b"".join(message["body"] for message in rest)


async def sleeps(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def reads(_scope: Scope, receive: Receive, _send: Send) -> None:
    while (await receive()).get("more_body"):
        pass


async def reads_then_sleeps(scope: Scope, receive: Receive, send: Send) -> None:
    await reads(scope, receive, send)
    await sleeps(scope, receive, send)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await Ready(404, [], b"nothing")(scope, receive, send)


async def raises(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("secret message")


async def echoes_method(scope: Any, _receive: Receive, send: Send) -> None:
    start: Any = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"seen", scope["method"].encode())],
    }
    end: Any = {"type": "http.response.body", "body": b"", "more_body": False}
    await send(start)
    await send(end)


async def test_a_request_beyond_the_deadline_gets_504(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_middleware, "REQUEST_DEADLINE", 0.01)

    status, headers, body = await ask(sleeps)

    problem = msgspec.json.decode(body)
    assert (status, problem["code"]) == (504, "deadline_exceeded")
    assert headers[b"content-type"] == b"application/problem+json"
    assert problem["request_id"].encode() == headers[b"x-request-id"]


async def streams(scope: Scope, _receive: Receive, send: Send) -> None:
    scope["drop_deadline"]()  # type: ignore[typeddict-item]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(0.2)  # longer than the deadline, which must not apply
    await send({"type": "http.response.body", "body": b"late", "more_body": False})


async def test_a_streaming_response_has_no_deadline_and_does_not_count_as_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_middleware, "REQUEST_DEADLINE", 0.05)
    monkeypatch.setattr(request_middleware, "MAX_IN_FLIGHT", 1)
    middleware = a_middleware(streams)

    answers = await asyncio.gather(ask(middleware), ask(middleware))

    assert [(status, body) for status, _, body in answers] == [(200, b"late")] * 2
    assert (await ask(middleware))[0] == 200


async def test_a_handler_that_takes_a_large_body_has_no_deadline_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_middleware, "REQUEST_DEADLINE", 0.02)
    monkeypatch.setattr(request_middleware, "BODY_DEADLINE", 0.04)

    async def is_slow(scope: Scope, receive: Receive, send: Send) -> None:
        scope["drop_deadline"]()  # type: ignore[typeddict-item]
        await reads(scope, receive, send)
        await asyncio.sleep(0.1)  # longer than both deadlines, which must not apply
        await Ready(202, [], b"taken")(scope, receive, send)

    status, _, body = await ask(is_slow, "POST", body=(b"a", 0.1, b"b", 0.1, b"c"))

    assert (status, body) == (202, b"taken")


async def test_head_of_a_streaming_response_keeps_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_middleware, "REQUEST_DEADLINE", 0.05)

    status, _, body = await ask(streams, "HEAD")

    assert (status, body) == (200, b"")


async def test_a_cancellation_from_outside_is_not_swallowed() -> None:
    asked = asyncio.create_task(ask(sleeps))
    await asyncio.sleep(0)
    asked.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_an_unexpected_error_gets_500_without_details(caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = await ask(raises)

    assert (status, msgspec.json.decode(body)["code"]) == (500, "internal")
    assert b"secret" not in body
    assert "secret message" in caplog.text


async def test_a_well_formed_request_id_of_the_client_is_kept() -> None:
    _, given, _ = await ask(echoes_method, "GET", (b"x-request-id", b"abc-1"))
    _, odd, _ = await ask(echoes_method, "GET", (b"x-request-id", b"a b\xff"))

    assert given[b"x-request-id"] == b"abc-1"
    assert odd[b"x-request-id"] != b"a b\xff"


async def test_head_is_routed_as_get() -> None:
    _, headers, _ = await ask(echoes_method, "HEAD")

    assert headers[b"seen"] == b"GET"


async def test_in5_a_body_that_does_not_arrive_gets_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_middleware, "REQUEST_DEADLINE", 0.01)
    monkeypatch.setattr(request_middleware, "BODY_DEADLINE", 0.1)
    began = time.monotonic()

    status, headers, body = await ask(reads, "POST", body=[b"{", None])

    assert (status, msgspec.json.decode(body)["code"]) == (408, "body_too_slow")
    assert headers[b"connection"] == b"close"
    assert time.monotonic() - began >= 0.1


async def test_in5_the_deadline_begins_when_the_body_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_middleware, "REQUEST_DEADLINE", 0.2)
    began = time.monotonic()

    status, _, body = await ask(reads_then_sleeps, "POST", body=[b"{", 0.3, b"}"])

    assert (status, msgspec.json.decode(body)["code"]) == (504, "deadline_exceeded")
    assert time.monotonic() - began >= 0.5


async def test_ap3_a_request_without_a_route_is_charged_to_the_network() -> None:
    middleware = a_middleware(not_found)

    statuses = [(await ask(middleware, "GET"))[0] for _ in range(3)]

    assert statuses == [404, 404, 429]
