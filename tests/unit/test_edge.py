"""The outermost layer: whatever happens inside, the client gets an answer that says what and by which id."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.memory.limits import MemoryLimiter
from entrypoints.http import edge
from entrypoints.http.answers import Ready
from entrypoints.http.cors import Cors, Origins
from entrypoints.http.edge import Edge
from entrypoints.http.limits import Limits, rates
from entrypoints.http.network import Networks


def an_edge(app: ASGIApp) -> Edge:
    limits = Limits(MemoryLimiter(time.monotonic), rates("anonymous=2/60"))
    return Edge(app, access_log="off", hsts="", networks=Networks(), limits=limits, cors=Cors(Origins(())))


async def ask(
    app: ASGIApp | Edge,
    method: str = "GET",
    *headers: tuple[bytes, bytes],
    body: Sequence[bytes | float | None] = (b"",),
) -> tuple[int, dict[bytes, bytes], bytes]:
    """`body` comes in pieces; a number is a pause in seconds, None one without end."""
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
    await (app if isinstance(app, Edge) else an_edge(app))(scope, receive, send)
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


async def goes_on(scope: Scope, _receive: Receive, send: Send) -> None:
    scope["unhurried"]()  # type: ignore[typeddict-item]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(0.2)
    await send({"type": "http.response.body", "body": b"late", "more_body": False})


async def test_an_answer_that_goes_on_has_no_deadline_and_holds_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(edge, "REQUEST_DEADLINE", 0.05)
    monkeypatch.setattr(edge, "MAX_IN_FLIGHT", 1)
    here = an_edge(goes_on)

    answers = await asyncio.gather(ask(here), ask(here))

    assert [(status, body) for status, _, body in answers] == [(200, b"late")] * 2
    assert (await ask(here))[0] == 200


async def test_a_large_body_and_what_is_done_with_it_have_no_deadline_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(edge, "REQUEST_DEADLINE", 0.02)
    monkeypatch.setattr(edge, "BODY_DEADLINE", 0.04)

    async def takes_its_time(scope: Scope, receive: Receive, send: Send) -> None:
        scope["unhurried"]()  # type: ignore[typeddict-item]
        await reads(scope, receive, send)
        await asyncio.sleep(0.1)
        await Ready(202, [], b"taken")(scope, receive, send)

    status, _, body = await ask(takes_its_time, "POST", body=(b"a", 0.1, b"b", 0.1, b"c"))

    assert (status, body) == (202, b"taken")


async def test_whoever_asks_for_the_head_of_it_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "REQUEST_DEADLINE", 0.05)

    status, _, body = await ask(goes_on, "HEAD")

    assert (status, body) == (200, b"")


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


async def test_in5_a_body_that_does_not_arrive_is_the_clients_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "REQUEST_DEADLINE", 0.01)
    monkeypatch.setattr(edge, "BODY_DEADLINE", 0.1)
    began = time.monotonic()

    status, headers, body = await ask(reads, "POST", body=[b"{", None])

    assert (status, msgspec.json.decode(body)["code"]) == (408, "body_too_slow")
    assert headers[b"connection"] == b"close"
    assert time.monotonic() - began >= 0.1


async def test_in5_the_deadline_begins_when_the_body_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "REQUEST_DEADLINE", 0.2)
    began = time.monotonic()

    status, _, body = await ask(reads_then_sleeps, "POST", body=[b"{", 0.3, b"}"])

    assert (status, msgspec.json.decode(body)["code"]) == (504, "deadline_exceeded")
    assert time.monotonic() - began >= 0.5


async def test_ap3_what_no_route_takes_is_counted_for_the_network() -> None:
    one = an_edge(not_found)

    statuses = [(await ask(one, "GET"))[0] for _ in range(3)]

    assert statuses == [404, 404, 429]
