"""Spans: their names, their traces, and what they must not contain."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from adapters.trace_context import TRACEPARENT_LENGTH, traceparent
from adapters.traces.spans import Traces, parsed
from adapters.traces.sql import operation_and_summary
from adapters.traces.subscribers import TracedSubscribers
from application.shared.events import Event, ProfileChanged
from application.shared.subscriptions import InProcess, on
from domain.shared import EventId
from entrypoints.http.fast_lane import STREAM
from entrypoints.http.tracing import RouteRecorder, TracedRequests

ROOT = Path(__file__).parents[2]
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = int(CALLER.split("-")[1], 16)


class Recorded:
    """Traces whose finished spans are in `spans`."""

    def __init__(self, ratio: float = 1, *, continue_callers: bool = True) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = Traces(
            provider.get_tracer("test"), _close, ratio=ratio, continue_callers=continue_callers
        )

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]


async def _close() -> None:
    pass


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    found: int = span.context.trace_id
    return found


async def ask(
    recorded: Recorded,
    path: str = "/api/v1/posts/7",
    method: str = "GET",
    *headers: tuple[bytes, bytes],
    template: str | None = None,
    status: int | None = 200,
    during: Callable[[], object] = lambda: None,
) -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        inner: Any = {**scope}  # as the middleware copies it for HEAD
        if template is not None:
            inner["path_template"] = template

        async def answer(_scope: Any, _receive: Any, send: Any) -> None:
            during()
            if status is not None:
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": b""})

        await RouteRecorder(answer)(inner, _receive, send)

    async def receive() -> Any:
        raise AssertionError

    async def send(_message: Any) -> None:
        pass

    scope: Any = {"type": "http", "method": method, "path": path, "scheme": "http", "headers": headers}
    await TracedRequests(app, recorded.traces)(scope, receive, send)


async def test_a_request_is_named_by_its_method_and_template() -> None:
    recorded = Recorded()

    await ask(recorded, template="/api/v1/posts/{post_id}")
    await ask(recorded, method="HEAD", template="/api/v1/posts/{post_id}")

    assert recorded.names == ["GET /api/v1/posts/{post_id}", "HEAD /api/v1/posts/{post_id}"]
    assert dict(recorded.spans[0].attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/api/v1/posts/{post_id}",
        "url.scheme": "http",
    }


async def test_ten_thousand_random_paths_and_methods_make_one_name_each() -> None:
    recorded, chance = Recorded(), random.Random(7)  # noqa: S311 - no secret

    for _ in range(10_000):
        await ask(recorded, f"/{chance.getrandbits(64):x}?token={chance.getrandbits(64)}", status=404)
    for _ in range(100):
        await ask(recorded, method=f"M{chance.getrandbits(32):X}", status=405)

    assert set(recorded.names) == {"GET", "HTTP"}


async def test_probes_are_no_spans() -> None:
    recorded = Recorded()

    for path in ("/livez", "/readyz", "/startupz"):
        await ask(recorded, path, template=path)

    assert recorded.spans == ()


@pytest.mark.parametrize(("status", "error"), [(500, "500"), (None, "client_disconnected"), (404, None)])
async def test_server_errors_and_lost_clients_are_errors(status: int | None, error: str | None) -> None:
    recorded = Recorded()

    await ask(recorded, status=status)

    assert (recorded.spans[0].attributes or {}).get("error.type") == error


@pytest.mark.parametrize(
    "header",
    [
        "",
        "junk",
        CALLER.upper(),
        CALLER + "-more",
        "ff" + CALLER[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "01" + CALLER[2:] + "x",
        CALLER + "\n",
        "01" + CALLER[2:] + "-" + "x" * 100_000,
        "0" * 1_000_000,
    ],
    ids=lambda header: header[:20] + str(len(header)),
)
async def test_an_invalid_header_begins_a_trace_of_its_own(header: str) -> None:
    recorded = Recorded()

    await ask(recorded, "/", "GET", (b"traceparent", header.encode()))

    assert recorded.spans[0].parent is None
    assert parsed(header) is None


@pytest.mark.parametrize("header", [CALLER, "01" + CALLER[2:], "01" + CALLER[2:] + "-more"])
async def test_a_valid_header_continues_the_trace_of_its_caller(header: str) -> None:
    recorded = Recorded(ratio=0)
    more = [(b"tracestate", b"x" * 100_000), (b"baggage", b"user=maya," * 10_000)]

    await ask(recorded, "/", "GET", (b"traceparent", header.encode()), *more)

    (span,) = recorded.spans
    assert trace_of(span) == TRACE_ID
    assert span.context is not None
    assert not span.context.trace_state
    assert "maya" not in span.to_json()


@pytest.mark.parametrize("repeated", [1, 2])
async def test_callers_are_not_trusted_by_default_and_never_with_two_headers(repeated: int) -> None:
    recorded = Recorded(continue_callers=repeated == 2)

    await ask(recorded, "/", "GET", *[(b"traceparent", CALLER.encode())] * repeated)

    assert recorded.spans[0].parent is None


async def test_a_caller_who_records_nothing_is_not_recorded() -> None:
    recorded = Recorded()

    await ask(recorded, "/", "GET", (b"traceparent", (CALLER[:-1] + "0").encode()))

    assert recorded.spans == ()


async def test_with_ratio_0_nothing_is_recorded_or_stored() -> None:
    recorded, stored = Recorded(ratio=0), list[str | None]()

    def during() -> None:
        stored.append(traceparent.get())
        with recorded.traces.call("SELECT", {}):
            pass

    await ask(recorded, during=during)

    assert (recorded.spans, stored) == ((), [None])


async def test_the_ratio_decides_which_requests_are_recorded() -> None:
    recorded = Recorded(ratio=0.25)

    for _ in range(2000):
        await ask(recorded)

    assert 350 < len(recorded.spans) < 650


async def test_calls_without_a_trace_are_no_spans() -> None:
    recorded = Recorded()

    with recorded.traces.call("SELECT", {}):
        pass

    assert recorded.spans == ()


async def test_a_call_that_fails_says_the_type_of_the_error_and_not_its_text() -> None:
    recorded = Recorded()

    def during() -> None:
        with pytest.raises(ValueError, match="maya"), recorded.traces.call("SELECT posts", {}):
            raise ValueError("maya")

    await ask(recorded, during=during)

    call, request = recorded.spans
    assert call.parent == request.context
    assert (call.attributes or {})["error.type"] == "ValueError"
    assert "maya" not in call.to_json()


async def test_an_event_is_handled_in_the_trace_of_its_request_and_a_frame_in_that_of_the_handler() -> None:
    recorded, stored = Recorded(), list[str | None]()

    async def handle(_event: ProfileChanged, _id: EventId) -> None:
        stored.append(traceparent.get())

    async def fail(_event: ProfileChanged, _id: EventId) -> None:
        raise ValueError("maya")

    subscribers = TracedSubscribers(
        InProcess([on(ProfileChanged, "a.do", handle), on(ProfileChanged, "b.do", fail)]), recorded.traces
    )
    event = ProfileChanged(user_id=7)
    await ask(recorded, during=lambda: stored.append(traceparent.get()))

    for name in subscribers.of(event):
        await subscribers.deliver(name, event, EventId(8), None, stored[0])
    assert stored[1] is not None
    with recorded.traces.frame(stored[1]):
        pass

    request, handled, failed, frame = recorded.spans
    assert recorded.names[1:] == ["process ProfileChanged a.do", "process ProfileChanged b.do", "send stream"]
    assert len({trace_of(span) for span in recorded.spans}) == 1
    assert (handled.parent and handled.parent.span_id) == (request.context and request.context.span_id)
    assert (frame.parent and frame.parent.span_id) == (handled.context and handled.context.span_id)
    assert (failed.attributes or {})["error.type"] == "Failed"
    assert {len(one) for one in stored if one} == {TRACEPARENT_LENGTH}
    assert traceparent.get() is None


async def test_log_lines_get_the_ids_of_the_request() -> None:
    recorded, ids = Recorded(), list[tuple[str, str] | None]()

    await ask(recorded, "/", "GET", during=lambda: ids.append(recorded.traces.current_ids()))

    context = recorded.spans[0].context
    assert context is not None
    assert ids == [(f"{context.trace_id:032x}", f"{context.span_id:016x}")]
    assert recorded.traces.current_ids() is None


async def test_an_event_without_a_trace_is_no_span() -> None:
    recorded, handled = Recorded(), list[Event]()

    async def handle(event: ProfileChanged, _id: EventId) -> None:
        handled.append(event)

    subscribers = TracedSubscribers(InProcess([on(ProfileChanged, "a.do", handle)]), recorded.traces)

    for trace in (None, "junk"):
        await subscribers.deliver("a.do", ProfileChanged(user_id=7), EventId(8), None, trace)

    assert (recorded.spans, len(handled)) == ((), 2)


async def test_the_span_of_a_stream_ends_when_the_stream_begins() -> None:
    recorded, ended = Recorded(), list[tuple[int, str | None]]()

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope["path_template"] = STREAM
        await send({"type": "http.response.start", "status": 200, "headers": []})
        ended.append((len(recorded.spans), traceparent.get()))
        with recorded.traces.call("SELECT", {}):
            pass

    async def nothing(*_: Any) -> Any:
        pass

    scope: Any = {"type": "http", "method": "GET", "path": STREAM, "scheme": "http", "headers": []}
    await TracedRequests(RouteRecorder(app), recorded.traces)(scope, nothing, nothing)

    assert ended == [(1, None)]
    assert recorded.names == [f"GET {STREAM}"]


@pytest.mark.parametrize(
    ("sql", "operation", "summary"),
    [
        ("SELECT posts.id FROM posts WHERE posts.id = ?", "SELECT", "SELECT posts"),
        ("INSERT INTO outbox (data) VALUES ('FROM accounts')", "INSERT", "INSERT outbox accounts"),
        ("UPDATE posts SET text='maya' FROM maya", "UPDATE", "UPDATE posts"),
        ("DELETE FROM inbox", "DELETE", "DELETE inbox"),
        ("WITH some AS (SELECT 1 FROM posts) DELETE FROM likes", "DELETE", "DELETE posts likes"),
        ("WITH some AS (SELECT 1 FROM posts) SELECT * FROM some", "SELECT", "SELECT posts"),
        ("SELECT id FROM streams ORDER BY id FOR UPDATE", "SELECT", "SELECT streams"),
        ("maya@example.org", "SQL", "SQL"),
    ],
)
def test_a_statement_is_summarized_by_its_operation_and_known_tables(
    sql: str, operation: str, summary: str
) -> None:
    assert operation_and_summary(sql) == (operation, summary)
