"""A small collector of spans: OTLP over HTTP."""

import gzip
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class CollectedSpan:
    trace: str
    id: str
    parent: str
    """Empty for the first span of a trace."""
    name: str
    kind: int
    begin: int
    """Nanoseconds since 1970."""
    end: int
    attributes: dict[str, Any]
    process: str
    """The instance that made it."""


Behaviour = Literal["accept", "drop", "refuse", "hang"]


@dataclass
class Collector:
    """Collects spans while `behaviour` is `accept`, and accepts but forgets them while it is `drop`. Otherwise it answers 500, or
    nothing."""

    behaviour: Behaviour = "accept"
    url: str = ""
    spans: list[CollectedSpan] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """The bodies that were received, before compression."""
    requests: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def trace_of(self, name: str) -> list[CollectedSpan]:
        """The newest trace whose first span has this name. Raises AssertionError if there is none."""
        first = [span for span in self.spans if span.name == name and not span.parent]
        assert first, (name, sorted({span.name for span in self.spans}))
        return [span for span in self.spans if span.trace == first[-1].trace]

    def receive(self, body: bytes) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        self.bodies.append(body)
        for resource in request.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            assert named["service.name"] == "waggle"
            process = named["service.instance.id"]
            for scope in resource.scope_spans:
                self.spans += [_collected(span, process) for span in scope.spans]


def _collected(span: Any, process: str) -> CollectedSpan:
    return CollectedSpan(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.kind,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        {each.key: each.value.string_value or each.value.int_value for each in span.attributes},
        process,
    )


def tree(spans: Sequence[CollectedSpan]) -> str:
    """A trace as text: one line for each span, in the order in which they began, with its duration."""
    ids = {span.id for span in spans}
    lines: list[str] = []

    def add(parent: str, depth: int) -> None:
        for span in sorted(spans, key=lambda each: each.begin):
            if (span.parent if span.parent in ids else "") == parent:
                took = (span.end - span.begin) / 1e6
                lines.append(f"{'  ' * depth}{span.name}  {took:.1f} ms  [process {span.process[:4]}]")
                add(span.id, depth + 1)

    add("", 0)
    return "\n".join(lines)


@contextmanager
def collector(behaviour: Behaviour = "accept") -> Iterator[Collector]:
    collected = Collector(behaviour)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            collected.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if collected.behaviour == "hang":
                collected.ended.wait()
                return
            if collected.behaviour == "accept":
                collected.receive(gzip.decompress(body))
            self.send_response(500 if collected.behaviour == "refuse" else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    collected.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collected
    finally:
        collected.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
