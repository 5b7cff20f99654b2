"""Requests as spans. Used only while traces are recorded: otherwise a request costs nothing more."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.http.fast_lane import STREAM

PROBES = frozenset({"/livez", "/readyz", "/startupz"})
"""Paths that are no spans: a load balancer asks every second, and nobody looks for the answers."""
_SPAN = "span"
"""The key of the span in the scope."""


class RequestSpan(Protocol):
    route: str | None
    """The template of the route; None if there is none."""
    status: int
    """0 as long as there is no answer."""

    def end(self) -> None:
        """End the span. The first call counts."""
        ...


class RequestTraces(Protocol):
    def request(
        self, method: str, scheme: str, callers: str | None
    ) -> AbstractContextManager[RequestSpan] | None:
        """The span of a request; None if it is not recorded. `callers` is its header `traceparent`."""
        ...


class TracedRequests:
    """ASGI around the outermost layer. Each request is a span, named by its method and the template of its route."""

    def __init__(self, app: ASGIApp, traces: RequestTraces) -> None:
        self._app, self._traces = app, traces

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        recorded = None
        if scope["type"] == ScopeType.HTTP and scope["path"] not in PROBES:
            recorded = self._traces.request(scope["method"], scope["scheme"], _traceparent(scope))
        if recorded is None:
            await self._app(scope, receive, send)
            return

        async def traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.status = message["status"]
                if span.route == STREAM:
                    span.end()  # a stream may last for hours, and its frames belong to other traces
            await send(message)

        with recorded as span:
            scope[_SPAN] = span
            await self._app(scope, receive, traced)


class RouteRecorder:
    """ASGI around the application: tells the span which route was found."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        span: RequestSpan | None = scope.get(_SPAN)  # type: ignore[assignment]
        if span is None:
            await self._app(scope, receive, send)
            return

        async def recording(message: Message) -> None:
            span.route = scope.get("path_template") or None
            await send(message)

        await self._app(scope, receive, recording)


def _traceparent(scope: Any) -> str | None:
    """The header, which is invalid if it occurs twice."""
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    return found[0].decode("latin-1") if len(found) == 1 else None
