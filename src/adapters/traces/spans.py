"""The spans of Waggle, and their names and attributes: the stable semantic conventions of OpenTelemetry. Names are templates
and fixed words. Nothing that a user sent becomes part of a span: no path, query, id, parameter or text."""

import random
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from adapters.trace_context import traceparent

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MAX_TRACEPARENT = 512
_NOTHING = Context()
Attributes = Mapping[str, AttributeValue]


def parsed(header: str) -> SpanContext | None:
    """The context in a `traceparent`; None if it is invalid. A later version is read as version 00, as it prescribes."""
    found = _TRACEPARENT.fullmatch(header) if len(header) <= _MAX_TRACEPARENT else None
    if found is None or (found[1] == "00" and found[5]):
        return None
    flags = TraceFlags(int(found[4], 16) & TraceFlags.SAMPLED)
    context = SpanContext(int(found[2], 16), int(found[3], 16), is_remote=True, trace_flags=flags)
    return context if context.is_valid else None


def written(context: SpanContext) -> str:
    """The context of a span that is recorded, as a `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


class RequestSpan:
    """The span of one request."""

    def __init__(self, span: Span, name: str) -> None:
        self._span, self._name = span, name
        self._is_open = True
        self.route: str | None = None
        """The template of the route; None if there is none."""
        self.status = 0
        """0 as long as there is no answer."""

    def end(self) -> None:
        """End the span; the first call counts. What the task does afterwards does not belong to the trace."""
        if not self._is_open:
            return
        self._is_open = False
        if self.route is not None:
            self._span.update_name(f"{self._name} {self.route}")
            self._span.set_attribute("http.route", self.route)
        if self.status:
            self._span.set_attribute("http.response.status_code", self.status)
        if self.status >= 500 or not self.status:
            failed(self._span, str(self.status or "client_disconnected"))
        self._span.end()
        attach(_NOTHING)
        traceparent.set(None)


class Traces:
    """A trace begins with a request. Everything else only continues it: while no span is recorded, none is made."""

    def __init__(
        self,
        tracer: Tracer,
        close: Callable[[], Awaitable[None]],
        *,
        ratio: float,
        continue_callers: bool,
        random: Callable[[], float] = random.random,
    ) -> None:
        """`tracer` records every span: what is recorded is decided here, once for a request, since a span that is not
        recorded would cost nearly as much. `ratio` is the part of the requests that is recorded, 0 to 1. With
        `continue_callers`, a request with a valid `traceparent` belongs to the trace of its caller, who decides."""
        self._tracer, self._continue_callers = tracer, continue_callers
        self._ratio, self._random = ratio, random
        self.close = close

    def request(
        self, method: str, scheme: str, callers: str | None
    ) -> AbstractContextManager[RequestSpan] | None:
        """The span of a request; None if it is not recorded. `callers` is its header `traceparent`."""
        parent = parsed(callers) if callers is not None and self._continue_callers else None
        is_recorded = self._random() < self._ratio if parent is None else parent.trace_flags.sampled
        return self._request(method, scheme, parent) if is_recorded else None

    @contextmanager
    def _request(self, method: str, scheme: str, parent: SpanContext | None) -> Iterator[RequestSpan]:
        known = method if method in METHODS else "_OTHER"
        name = known if method in METHODS else "HTTP"
        span = self._tracer.start_span(
            name,
            _NOTHING if parent is None else _in(parent),
            SpanKind.SERVER,
            {"http.request.method": known, "url.scheme": scheme},
        )
        token, ours = attach(set_span_in_context(span)), traceparent.set(written(span.get_span_context()))
        request = RequestSpan(span, name)
        try:
            yield request
        finally:
            request.end()
            traceparent.reset(ours)
            detach(token)

    @contextmanager
    def process(self, kind: str, subscriber: str, parent: str) -> Iterator[Callable[[str], None]]:
        """The span of one call of an event handler, in the trace in which the event was published. Yields a function that
        takes the type of the error if the call failed."""
        context = parsed(parent)
        if context is None:
            yield lambda _: None
            return
        attributes = {
            "messaging.system": "waggle",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": kind,
            "messaging.consumer.group.name": subscriber,
        }
        name = f"process {kind} {subscriber}"
        span = self._tracer.start_span(name, _in(context), SpanKind.CONSUMER, attributes)
        token, ours = attach(set_span_in_context(span)), traceparent.set(written(span.get_span_context()))
        try:
            yield lambda error_type: failed(span, error_type)
        finally:
            span.end()
            traceparent.reset(ours)
            detach(token)

    @contextmanager
    def frame(self, parent: str) -> Iterator[None]:
        """The span of a frame that is sent to a client, in the trace in which its entry was added to the stream."""
        context = parsed(parent)
        if context is None:
            yield
            return
        attributes = {
            "messaging.system": "waggle",
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": "stream",
        }
        span = self._tracer.start_span("send stream", _in(context), SpanKind.PRODUCER, attributes)
        try:
            yield
        except BaseException as error:
            failed(span, type(error).__name__)
            raise
        finally:
            span.end()

    @contextmanager
    def call(self, name: str, attributes: Attributes) -> Iterator[None]:
        """The span of a call to a database or another server."""
        span = self.started(name, attributes)
        if span is None:
            yield
            return
        try:
            yield
        except BaseException as error:
            failed(span, type(error).__name__)
            raise
        finally:
            span.end()

    def started(self, name: str, attributes: Attributes, start_time: int | None = None) -> Span | None:
        """A span that the caller ends; None while nothing is recorded. `start_time` is in nanoseconds since 1970."""
        if not self.is_recording():
            return None
        return self._tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes=attributes, start_time=start_time
        )

    @staticmethod
    def current_ids() -> tuple[str, str] | None:
        """The ids of the current trace, and of the span of the request or the handler; None while nothing is recorded."""
        current = traceparent.get()
        return None if current is None else (current[3:35], current[36:52])

    @staticmethod
    def is_recording() -> bool:
        return traceparent.get() is not None


def failed(span: Span, error_type: str) -> None:
    """Only the type of the error: its text may contain data."""
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


def _in(context: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(context), _NOTHING)
