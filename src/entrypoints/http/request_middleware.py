"""The outermost layer of HTTP: request ids, security headers, CORS, compression, deadlines, the access log, HEAD, and the
response of last resort."""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from application.shared.limits import RateLimited
from application.shared.log import log
from domain.shared import DomainError
from entrypoints import log_events
from entrypoints.access.context import network, request_id
from entrypoints.access.limits import Caller, RateLimits
from entrypoints.access.networks import Networks
from entrypoints.http.common_headers import POLICY, SECURITY_HEADERS, defaults
from entrypoints.http.compression import MIN_BYTES, coding_for, compressed, compressible, is_encoded
from entrypoints.http.cors import Cors
from entrypoints.http.errors import OF_HTTP, BodyEncoded, HostInvalid, problem, problem_response, refusal
from entrypoints.http.etags import weak
from entrypoints.http.network import caller_of
from entrypoints.http.responses import RawHeaders, Ready, rate_limit_headers
from entrypoints.log_events import UnexpectedError

REQUEST_DEADLINE = 5.0
"""Seconds after which a request is cancelled, whatever it waits for. They begin when its body is complete."""
BODY_DEADLINE = 10.0
"""Seconds within which the body must arrive."""
MAX_IN_FLIGHT = 1000
"""Concurrent requests. One more is refused with 503 at once: it would only wait, and make the others wait."""
SLOW = 1.0
"""Seconds after which a request is logged as a problem."""

MAX_HEADER_BYTES = 32 * 1024
"""The maximum size of the request line and the headers together."""

UNGUARDED = {400, 404, 405, 415, 431}
"""Responses that are made before a guard has charged the request. They are charged too."""

SECRET = ("/api/v1/auth/", "/api/v1/stream", "/api/v1/media/uploads")
"""Paths whose responses contain tokens. They are never compressed: the size would leak the content (BREACH)."""

_PROCESS = secrets.token_hex(6)
_counter = itertools.count(1)
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_HOST = re.compile(rb"([A-Za-z0-9._~%-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class RequestMiddleware:
    """Pure ASGI around the application: the framework's own middleware costs several times as much."""

    def __init__(
        self, app: ASGIApp, *, access_log: str, hsts: str, networks: Networks, limits: RateLimits, cors: Cors
    ) -> None:
        """`hsts` is the value of Strict-Transport-Security, empty for none."""
        self.app = app
        self.lifecycle: Callable[..., RequestLifecycle] = RequestLifecycle
        """Called for each request with this, the scope, `receive` and `send`."""
        self.cors = cors
        self.networks, self.limits = networks, limits
        self.log_all = access_log == "all"
        self.log_problems = access_log != "off"
        self.headers = [*SECURITY_HEADERS]
        self.in_flight = 0
        if hsts:
            self.headers.append((b"strict-transport-security", hsts.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            scope["caller"] = caller_of(scope, self.networks)  # type: ignore[typeddict-unknown-key]
            request_id.set(id_of(dict(scope["headers"])))
            await self.app(scope, receive, send)
            return
        lifecycle = self.lifecycle(self, scope, receive, send)
        if self.in_flight >= MAX_IN_FLIGHT:
            await lifecycle.refuse(503)
            return
        self.in_flight += 1
        try:
            await lifecycle.run()
        finally:
            self.in_flight -= not lifecycle.without_deadline

    def answered(
        self, scope: Scope, method: str, status: int, started: float, *, is_stream: bool = False
    ) -> None:
        """Log the response, if responses like it are logged. Called once for each request."""
        took = time.perf_counter() - started
        if self.log_all or (
            self.log_problems and (status >= 500 or status == 0 or (took > SLOW and not is_stream))
        ):
            log(
                log_events.Request(
                    method=method,
                    # the template, never the path: a path can contain anything
                    route=str(scope.get("path_template", "-")),
                    status=status,
                    duration=round(took * 1e9),
                    outcome="success" if 0 < status < 400 else "failure",
                )
            )


class RequestLifecycle:
    """One request and its response."""

    __slots__ = (
        "body_read",
        "caller",
        "deadline",
        "fields",
        "head",
        "held",
        "id",
        "middleware",
        "reading",
        "receive",
        "replaced",
        "scope",
        "send_on",
        "started",
        "status",
        "timed_out",
        "without_deadline",
    )
    caller: Caller
    deadline: asyncio.TimerHandle

    def __init__(self, middleware: RequestMiddleware, scope: Any, receive: Receive, send: Send) -> None:
        self.middleware, self.scope, self.receive, self.send_on = middleware, scope, receive, send
        self.started = time.perf_counter()
        self.status = 0
        self.timed_out = self.reading = self.body_read = self.replaced = self.without_deadline = False
        self.fields: dict[bytes, bytes] = dict(scope["headers"])
        self.id = id_of(self.fields)
        self.head = scope["method"] == "HEAD"
        self.held: Any = None
        """The `http.response.start` of a response that may be compressed."""

    async def run(self) -> None:
        if self.head:  # every GET route answers HEAD with the same headers; the server sends no body
            self.scope = {**self.scope, "method": "GET", "head": True}
        elif self.scope["method"] == "OPTIONS" and not self._is_preflight():
            # Not a preflight of a browser. Litestar would ask for a token and name the methods of one handler. Let it
            # refuse a method that no route has: then Allow names all methods of the address.
            self.scope = {**self.scope, "method": "-"}
        self.scope["request_id"] = self.id
        self.scope["drop_deadline"] = self._drop_deadline
        self.scope["caller"] = self.caller = caller_of(self.scope, self.middleware.networks)
        request_id.set(self.id)
        network.set(self.caller.network)
        task = asyncio.current_task()
        self._start_deadline(REQUEST_DEADLINE, task)
        receive = self.receive if self.scope["method"] == "GET" else self._receive
        try:
            await (self._refused() or self.middleware.app)(self.scope, receive, self.send)
        except asyncio.CancelledError:
            if not self.timed_out or task is None or task.uncancel() > 0:
                raise  # the server stops, or the client has disconnected
            await self.refuse(408 if self.reading else 504)
        except Exception as error:  # noqa: BLE001 - not caught by the application's own handlers
            log(UnexpectedError(error_type=type(error).__name__, part="the layers around handlers"), error)
            await self.refuse(500)
        finally:
            self.deadline.cancel()
        self._log()

    def _is_preflight(self) -> bool:
        return b"origin" in self.fields and b"access-control-request-method" in self.fields

    def _refused(self) -> ASGIApp | None:
        """The refusal of a request that is invalid whatever it asks for, or the response to a preflight; else None."""
        scope, fields = self.scope, self.fields
        try:
            if scope.get("header_bytes", 0) > MAX_HEADER_BYTES:
                return self._problem(431)
            if field_error := host_error(scope["headers"], scope.get("http_version", "1.1")):
                raise HostInvalid(field_error)
            if is_encoded(scope["headers"]):
                raise BodyEncoded(
                    "the body must have no Content-Encoding, and no Transfer-Encoding other than chunked"
                )
            return self.middleware.cors.preflight(fields) if scope["method"] == "OPTIONS" else None
        except DomainError as error:
            refused = refusal(error, self.id)
            if isinstance(error, BodyEncoded):
                refused.headers.append((b"accept-encoding", b"identity"))
            return refused

    def _start_deadline(self, seconds: float, task: "asyncio.Task[Any] | None") -> None:
        self.deadline = asyncio.get_running_loop().call_later(seconds, self._time_out, task)

    def _drop_deadline(self) -> None:
        """Drop the deadline, for a streaming response or a large body: these are limited elsewhere."""
        if self.head:
            return  # a HEAD request gets no body
        self.deadline.cancel()
        if not self.without_deadline:
            self.without_deadline = True
            self.middleware.in_flight -= 1

    async def _receive(self) -> Any:
        """Receive the body, which has a deadline of its own: a slow network is not a slow server."""
        self.reading = not self.body_read
        message: Any = await self.receive()
        if self.reading and not message.get("more_body", False):
            self.reading, self.body_read = False, True
            if not self.without_deadline:
                self.deadline.cancel()
                self._start_deadline(REQUEST_DEADLINE, asyncio.current_task())
        return message

    def _time_out(self, task: "asyncio.Task[Any] | None") -> None:
        """Cancel the task at the deadline, as asyncio.timeout does, at a third of its cost."""
        left = BODY_DEADLINE - (time.perf_counter() - self.started)
        if self.reading and left > 0:
            self._start_deadline(left, task)
            return
        self.timed_out = True
        if task is not None:
            task.cancel()

    async def send(self, message: Message) -> None:
        if self.replaced:
            return
        if message["type"] == "http.response.start":
            if message["status"] in UNGUARDED and self.caller.rate is None:
                try:
                    await self.middleware.limits.charge_network(self.caller, "read")
                except RateLimited as error:
                    await refusal(error, self.id)(self.scope, self.receive, self.send)
                    self.replaced = True
                    return
            self.status = message["status"]
            message["headers"] = headers = self._headers(message["headers"])
            if self._may_compress(headers):
                self.held = message
                return
        elif self.held is not None:
            start = await self._compressed(self.held, message)
            self.held = None
            await self.send_on(start)
        await self.send_on(message)

    def _headers(self, made: Any) -> RawHeaders:
        headers = [*made, (b"x-request-id", self.id.encode()), *self.middleware.headers]
        headers += rate_limit_headers(self.caller)
        headers += self.middleware.cors.of(self.fields[b"origin"]) if b"origin" in self.fields else ()
        if self.status == 304 and b'W/"' in self.fields.get(
            b"if-none-match", b""
        ):  # the client has it compressed
            headers = [(name, weak(value) if name == b"etag" else value) for name, value in headers]
        return [*headers, *defaults(self.scope, made)]

    def _may_compress(self, headers: RawHeaders) -> bool:
        if self.status == 304:
            return False
        accepted = self.fields.get(b"accept-encoding")
        if accepted is None or coding_for(accepted) is None or self.scope["path"].startswith(SECRET):
            return False
        fields = dict(headers)
        return (
            compressible(fields.get(b"content-type", b""))
            and int(fields.get(b"content-length", b"0")) >= MIN_BYTES
            and b"content-encoding" not in fields
        )

    async def _compressed(self, start: Any, message: Any) -> Any:
        """Compress the body in `message`, and return the start that belongs to it. Bodies in several messages are left unchanged."""
        if message.get("more_body", False):
            return start
        coding = coding_for(self.fields[b"accept-encoding"]) or b"identity"
        message["body"] = body = await compressed(message["body"], coding)
        changed = {b"content-length": b"%d" % len(body)}
        headers = [(name, changed.get(name, value)) for name, value in start["headers"]]
        headers = [(name, weak(value) if name == b"etag" else value) for name, value in headers]
        return {**start, "headers": [*headers, (b"content-encoding", coding)]}

    async def refuse(self, status: int) -> None:
        if self.held is not None:  # nothing of it was sent
            self.held, self.status = None, 0
        if self.status:  # too late for another response: the server closes the connection
            return
        await self._problem(status)(self.scope, self.receive, self.send)

    def _problem(self, status: int) -> Ready:
        code, detail = OF_HTTP[status]
        return problem_response(problem(self.id, status, code, detail), _HEADERS_OF.get(status, []))

    def _log(self) -> None:
        method = "HEAD" if self.head else self.scope["method"]
        self.middleware.answered(
            self.scope, method, self.status, self.started, is_stream=self.without_deadline
        )


_HEADERS_OF: Mapping[int, RawHeaders] = {
    408: [(b"connection", b"close")],
    503: [(b"retry-after", b"1")],
}


def host_error(headers: Iterable[tuple[bytes, bytes]], http_version: str) -> str:
    """The error in the Host headers of a request (RFC 9112, 3.2); empty if there is none."""
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts:
        return "" if http_version == "1.0" else "the Host header is missing"
    if len(hosts) > 1:
        return "there must be exactly one Host header"
    return "" if _HOST.fullmatch(hosts[0]) else "the Host header is not a valid host"


def last_resort(status: int, id_: str) -> tuple[RawHeaders, bytes]:
    """The headers and the body of the response to input that could not be parsed as a request. `id_` is its request id."""
    code, detail = OF_HTTP[status]
    ready = problem_response(problem(id_, status, code, detail), _HEADERS_OF.get(status, []))
    return [*ready.headers, (b"x-request-id", id_.encode()), *SECURITY_HEADERS, POLICY], ready.body


def id_of(fields: Mapping[bytes, bytes]) -> str:
    given = fields.get(b"x-request-id")
    if given is not None and _GIVEN_ID.fullmatch(given):
        return given.decode()
    return f"{_PROCESS}{next(_counter):08x}"
