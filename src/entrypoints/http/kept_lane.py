"""A shortcut past everything: sends kept responses before even the outermost middleware has begun.

It takes a request only if nothing about it is unusual, and on SQLite only if nothing has to be waited for. On PostgreSQL it
waits for the changes of other processes, which many requests ask for together, and for a limiter in Redis. Every other
request goes on to the middleware. The answers are the same: the same functions make their headers, charge the limits and
log the request.
"""

import time
from typing import Any

from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from application.shared.limits import RateLimited
from domain.shared import DomainError
from entrypoints.access.authentication import Authenticator, Known
from entrypoints.access.limits import Caller
from entrypoints.http.compression import coding_for
from entrypoints.http.etags import weak
from entrypoints.http.hot_targets import target_of
from entrypoints.http.kept_responses import KeptKey, KeptResponse, KeptResponses
from entrypoints.http.network import caller_of
from entrypoints.http.request_counting import RequestMeter
from entrypoints.http.request_middleware import (
    MAX_HEADER_BYTES,
    MAX_IN_FLIGHT,
    RequestMiddleware,
    host_error,
    id_of,
)
from entrypoints.http.resources import MAX_TAGS
from entrypoints.http.responses import RawHeaders, rate_limit_headers

_READ = frozenset({b"accept-encoding", b"authorization", b"host", b"if-none-match", b"x-request-id"})
"""The headers that matter here."""
_IGNORED = frozenset({
    b"accept", b"accept-language", b"cache-control", b"connection", b"cookie", b"dnt", b"forwarded", b"pragma",
    b"priority", b"referer", b"sec-ch-ua", b"sec-ch-ua-mobile", b"sec-ch-ua-platform", b"sec-fetch-dest",
    b"sec-fetch-mode", b"sec-fetch-site", b"sec-fetch-user", b"user-agent", b"via", b"x-forwarded-for",
    b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip",
})  # fmt: skip
"""The headers that do not change the response of these routes. With any other header, the ordinary path decides."""

_Answer = tuple[int, RawHeaders, bytes]


class KeptLane:
    def __init__(
        self,
        app: RequestMiddleware,
        authenticator: Authenticator,
        kept: KeptResponses,
        meter: RequestMeter | None,
    ) -> None:
        """`meter` counts requests; None if nobody does."""
        self._middleware, self._authenticator, self._kept, self._meter = app, authenticator, kept, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "GET":
            await self._middleware(scope, receive, send)
            return
        started = time.perf_counter()
        answer = await self._answer_after_waiting(scope) if self._kept.needs_waiting else self._answer(scope)
        if answer is None:
            await self._middleware(scope, receive, send)
            return
        status, headers, body = answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
        self._middleware.answered(scope, "GET", status, started)
        if self._meter is not None:
            template, seconds = str(scope["path_template"]), time.perf_counter() - started
            self._meter.responded("GET", template, status, seconds)
            self._meter.sent_bytes += len(body)

    def _answer(self, scope: Any) -> _Answer | None:
        wanted = self._wanted(scope)
        found = None if wanted is None else self._kept.find(wanted.key)
        if wanted is None or found is None or not wanted.takes(found):
            return None
        try:
            if not self._authenticator.charge_now(wanted.caller, "read", wanted.principal):
                return None
        except RateLimited:
            return None  # nothing was charged: the ordinary path refuses
        return self._made(scope, found, wanted)

    async def _answer_after_waiting(self, scope: Any) -> _Answer | None:
        wanted = self._wanted(scope)
        if wanted is None:
            return None
        self._middleware.in_flight += 1
        try:
            found = await self._kept.find_refreshed(wanted.key)
            if found is None or not wanted.takes(found):
                return None
            await self._authenticator.charge(wanted.caller, "read", wanted.principal)
        except DomainError:
            return None  # nothing was charged
        finally:
            self._middleware.in_flight -= 1
        return self._made(scope, found, wanted)

    def _wanted(self, scope: Any) -> "_Wanted | None":
        target = target_of(scope["path"], scope["query_string"])
        fields = None if target is None else _fields(scope)
        if target is None or fields is None or self._middleware.in_flight >= MAX_IN_FLIGHT:
            return None
        principal = None
        if (authorization := fields.get(b"authorization")) is not None:
            scheme, _, token = authorization.decode("latin-1").partition(" ")
            principal = self._authenticator.known(token) if scheme == "Bearer" and token else None
            if principal is None:
                return None
        accepted = fields.get(b"accept-encoding")
        coding = None if accepted is None else coding_for(accepted)
        # A user is charged, whatever the network is.
        caller = caller_of(scope, self._middleware.networks) if principal is None else Caller("")
        key = KeptKey(None if principal is None else principal.user_id, target)
        return _Wanted(principal, caller, key, fields, coding)

    def _made(self, scope: Any, found: KeptResponse, wanted: "_Wanted") -> _Answer:
        scope["path_template"] = wanted.key.target.template
        fields, coding = wanted.fields, wanted.coding
        common = [
            (b"x-request-id", id_of(fields).encode()),
            *self._middleware.headers,
            *rate_limit_headers(wanted.caller),
            *found.trailing,
        ]
        known = fields.get(b"if-none-match")
        ready = found.response.unless_known(None if known is None else known.decode("latin-1"))
        if ready.status == 304:
            made = ready.headers
            if known is not None and b'W/"' in known:  # the client has it compressed
                made = [(name, weak(value) if name == b"etag" else value) for name, value in made]
            return 304, [*made, *common], b""
        if coding is None:
            return 200, [*ready.headers, *common], ready.body
        headers, body = found.coded(coding)
        if body is not ready.body:
            common.append((b"content-encoding", coding))
        return 200, [*headers, *common], body


class _Wanted:
    """A request that may be answered here."""

    __slots__ = ("caller", "coding", "fields", "key", "principal")

    def __init__(
        self,
        principal: Known | None,
        caller: Caller,
        key: KeptKey,
        fields: dict[bytes, bytes],
        coding: bytes | None,
    ) -> None:
        self.principal, self.caller, self.key, self.fields, self.coding = (
            principal,
            caller,
            key,
            fields,
            coding,
        )

    def takes(self, found: KeptResponse) -> bool:
        """Whether the response need not be compressed, or is without a thread."""
        return self.coding is None or found.is_small_enough_to_compress


def _fields(scope: Any) -> dict[bytes, bytes] | None:
    """The headers that matter; None if there is any unusual one, or one of them twice."""
    if scope.get("header_bytes", 0) > MAX_HEADER_BYTES:
        return None
    fields: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            if name in fields:
                return None
            fields[name] = value
        elif name not in _IGNORED:
            return None
    if any(len(fields.get(name, b"")) > MAX_TAGS for name in (b"authorization", b"if-none-match")):
        return None
    return None if host_error(scope["headers"], scope.get("http_version", "1.1")) else fields
