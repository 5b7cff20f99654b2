"""Counts requests and their durations. Used only while metrics are on: without them a request costs nothing more."""

import time
from collections.abc import Awaitable
from typing import Any, Protocol

from litestar.types import Message, Receive, Scope, Send

from entrypoints.http.request_middleware import RequestLifecycle, RequestMiddleware


class RequestMeter(Protocol):
    received_bytes: int
    """Of bodies, as are the following."""
    sent_bytes: int

    def responded(self, method: str, template: str, status: int, seconds: float) -> None:
        """`template` is the address as the router has it; empty if no route matched."""
        ...


class CountedLifecycle(RequestLifecycle):
    """Counts its request when the response is complete; one without a deadline, such as a stream or a download, when the
    response begins, because it goes on at the client's pace."""

    __slots__ = ("_counted", "_meter", "_send")

    def __init__(
        self, meter: RequestMeter, middleware: RequestMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        super().__init__(middleware, scope, receive, self._send_counted)
        self._meter, self._counted, self._send = meter, False, send

    async def _receive(self) -> Any:
        message = await super()._receive()
        self._meter.received_bytes += len(message.get("body", b""))
        return message

    def _send_counted(self, message: Message) -> Awaitable[None]:
        # No coroutine, which would cost more than the counting.
        if message["type"] == "http.response.body":
            self._meter.sent_bytes += len(message["body"])
            if not message.get("more_body", False):
                self._count()
        elif self.without_deadline:
            self._count()
        return self._send(message)

    def _count(self) -> None:
        if self._counted or not self.status:
            return
        self._counted = True
        method = "HEAD" if self.head else self.scope["method"]
        self._meter.responded(
            "OPTIONS" if method == "-" else method,
            self.scope.get("path_template", ""),
            self.status,
            time.perf_counter() - self.started,
        )
