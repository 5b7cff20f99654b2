"""The outermost layer: request ids, security headers, deadlines, the access log, HEAD, and a last resort."""

import asyncio
import itertools
import logging
import re
import secrets
import time
from contextvars import ContextVar
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from application.shared.limits import RateLimited
from entrypoints.http import limits as counting
from entrypoints.http.errors import OF_HTTP, answer, problem, refusal
from entrypoints.http.limits import Limits
from entrypoints.http.network import Networks

log = logging.getLogger("waggle.access")

request_id: ContextVar[str] = ContextVar("request_id", default="-")

REQUEST_DEADLINE = 5.0
"""Seconds after which a request is given up, whatever it waits for. They begin when its body is there."""
BODY_DEADLINE = 10.0
"""Seconds for the body to arrive in."""
MAX_IN_FLIGHT = 1000
"""Requests at once. One more is told at once to come back: it would only wait, and make the others wait."""
SLOW = 1.0
"""Seconds from which a request is a problem worth a line in the log."""

NO_ROUTE = {404, 405}
"""What the router answers by itself: no guard has seen such a request, and it is still not free."""

_PROCESS = secrets.token_hex(6)
_counter = itertools.count(1)
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)


class Edge:
    """Pure ASGI around the application: middleware of the framework's own costs several times as much."""

    def __init__(
        self, app: ASGIApp, *, access_log: str, hsts: bool, networks: Networks, limits: Limits
    ) -> None:
        self._app = app
        self._networks, self._limits = networks, limits
        self._log_all = access_log == "all"
        self._log_problems = access_log != "off"
        self._headers = [*SECURITY_HEADERS]
        self._in_flight = 0
        if hsts:
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            scope["network"] = self._networks.of(scope)  # type: ignore[typeddict-unknown-key]
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(self, scope, receive, send)
        if self._in_flight >= MAX_IN_FLIGHT:
            await exchange.refuse(503)
            return
        self._in_flight += 1
        try:
            await exchange.run()
        finally:
            self._in_flight -= not exchange.unhurried


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "body_read",
        "deadline",
        "edge",
        "given_up",
        "head",
        "id",
        "private",
        "reading",
        "receive",
        "replaced",
        "scope",
        "send_on",
        "started",
        "status",
        "unhurried",
    )
    deadline: asyncio.TimerHandle

    def __init__(self, edge: Edge, scope: Any, receive: Receive, send: Send) -> None:
        self.edge, self.scope, self.receive, self.send_on = edge, scope, receive, send
        self.started = time.perf_counter()
        self.status = 0
        self.given_up = self.reading = self.body_read = self.replaced = self.unhurried = False
        self.id = _id_of(scope["headers"])
        self.head = scope["method"] == "HEAD"
        self.private = scope["path"].startswith("/api/v1/")  # what one gets is no other one's to see

    async def run(self) -> None:
        if self.head:  # every GET route answers HEAD with the same headers; the server sends no body
            self.scope = {**self.scope, "method": "GET", "head": True}
        elif self.scope["method"] == "OPTIONS" and not _has(self.scope["headers"], b"origin"):
            # No browser's preflight. Litestar would want a token and name one handler's methods: let it
            # refuse a method that nothing has, with all that the address takes in Allow.
            self.scope = {**self.scope, "method": "-"}
        self.scope["request_id"] = self.id
        self.scope["unhurried"] = self._take_time
        self.scope["network"] = self.edge._networks.of(self.scope)
        request_id.set(self.id)
        task = asyncio.current_task()
        self._allow(REQUEST_DEADLINE, task)
        receive = self.receive if self.scope["method"] == "GET" else self._receive
        try:
            await self.edge._app(self.scope, receive, self.send)
        except asyncio.CancelledError:
            if not self.given_up or task is None or task.uncancel() > 0:
                raise  # the server stops, or the client went away
            await self.refuse(408 if self.reading else 504)
        except Exception as error:  # what got past the application's own handlers
            log.exception("unexpected %s outside of a handler", type(error).__name__)
            await self.refuse(500)
        finally:
            self.deadline.cancel()
        self._log()

    def _allow(self, seconds: float, task: "asyncio.Task[Any] | None") -> None:
        self.deadline = asyncio.get_running_loop().call_later(seconds, self._give_up, task)

    def _take_time(self) -> None:
        """For an answer that goes on for as long as it is wanted, or a body that is large: limited elsewhere."""
        if self.head:
            return  # nobody wants what goes on
        self.deadline.cancel()
        if not self.unhurried:
            self.unhurried = True
            self.edge._in_flight -= 1

    async def _receive(self) -> Any:
        """The body, which has its own time: a slow network is no slow server."""
        self.reading = not self.body_read
        message: Any = await self.receive()
        if self.reading and not message.get("more_body", False):
            self.reading, self.body_read = False, True
            if not self.unhurried:
                self.deadline.cancel()
                self._allow(REQUEST_DEADLINE, asyncio.current_task())
        return message

    def _give_up(self, task: "asyncio.Task[Any] | None") -> None:
        """What asyncio.timeout does, at a third of its cost."""
        left = BODY_DEADLINE - (time.perf_counter() - self.started)
        if self.reading and left > 0:
            self._allow(left, task)
            return
        self.given_up = True
        if task is not None:
            task.cancel()

    async def send(self, message: Message) -> None:
        if self.replaced:
            return
        if message["type"] == "http.response.start":
            if message["status"] in NO_ROUTE and not counting.counted(self.scope):
                try:
                    await self.edge._limits.of_network(self.scope, "read")
                except RateLimited as error:
                    await refusal(error, self.id)(self.scope, self.receive, self.send)
                    self.replaced = True
                    return
            self.status = message["status"]
            headers: Any = message["headers"]
            added = [(b"x-request-id", self.id.encode()), *self.edge._headers]
            added += counting.headers(self.scope)
            if self.private:
                added.append((b"vary", b"Authorization"))
                for name, _ in headers:
                    if name.lower() == b"cache-control":
                        break
                else:
                    added.append((b"cache-control", b"no-store"))
            message["headers"] = [*headers, *added]
        await self.send_on(message)

    async def refuse(self, status: int) -> None:
        if self.status:  # too late for another answer: the server closes the connection
            return
        code, detail = OF_HTTP[status]
        headers = {503: [(b"retry-after", b"1")], 408: [(b"connection", b"close")]}.get(status, [])
        await answer(problem(self.id, status, code, detail), headers)(self.scope, self.receive, self.send)

    def _log(self) -> None:
        edge, took = self.edge, time.perf_counter() - self.started
        if edge._log_all or (
            edge._log_problems
            and (self.status >= 500 or self.status == 0 or (took > SLOW and not self.unhurried))
        ):
            log.info(
                "request",
                extra={
                    "method": self.scope["method"],
                    # the template, never the path: paths can hold anything that a client likes to send
                    "route": str(self.scope.get("path_template", "-")),
                    "status": self.status,
                    "ms": round(took * 1000, 1),
                },
            )


def _has(headers: Any, wanted: bytes) -> bool:
    return any(name == wanted for name, _ in headers)


def _id_of(headers: Any) -> str:
    for name, value in headers:
        if name == b"x-request-id" and _GIVEN_ID.fullmatch(value):
            given: str = value.decode()
            return given
    return f"{_PROCESS}{next(_counter):08x}"
