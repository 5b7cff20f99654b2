"""CORS: the pages of other origins that may use the API (as in the fetch standard)."""

import re
from collections.abc import Mapping, Sequence

from entrypoints.http.errors import CorsRefused
from entrypoints.http.responses import RawHeaders, Ready

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
REQUEST_HEADERS = (
    "Accept",
    "Accept-Language",
    "Authorization",
    "Content-Language",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Range",
    "Traceparent",
    "X-Request-Id",
)
EXPOSED = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-Id",
)
MAX_AGE = 600
"""Seconds for which a browser may cache a preflight."""

_ALLOWED = frozenset(name.lower() for name in REQUEST_HEADERS)
_PREFLIGHT: RawHeaders = [
    (b"access-control-allow-methods", ", ".join(METHODS).encode()),
    (b"access-control-allow-headers", ", ".join(REQUEST_HEADERS).encode()),
    (b"access-control-max-age", b"%d" % MAX_AGE),
]
_EXPOSE = b"access-control-expose-headers", ", ".join(EXPOSED).encode()


class Origins:
    """The origins from which a browser may use the server. A `*` allows all; `pattern` is a regular expression for more."""

    def __init__(self, allowed: Sequence[str], pattern: str | None = None) -> None:
        self._all = "*" in allowed
        self._allowed = frozenset(origin.encode() for origin in allowed)
        self._pattern = re.compile(pattern.encode()) if pattern else None

    def allow(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether a request with these headers is allowed. A request without `Origin` is not from a browser."""
        origins = [value for name, value in headers if name == b"origin"]
        return not origins or (len(origins) == 1 and origins[0] in self)

    def __contains__(self, origin: bytes) -> bool:
        return self._all or origin in self._allowed or bool(self._pattern and self._pattern.fullmatch(origin))


class Cors:
    """The CORS headers of responses. Waggle uses no cookies, so credentials are not allowed."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def of(self, origin: bytes) -> RawHeaders:
        """The headers of a response to a page of this origin."""
        return [(b"access-control-allow-origin", origin), _EXPOSE] if origin in self._origins else []

    def preflight(self, fields: Mapping[bytes, bytes]) -> Ready:
        """The response to a preflight request. Raises CorsRefused."""
        refused = []
        if fields[b"origin"] not in self._origins:
            refused.append("this origin")
        if fields[b"access-control-request-method"].decode("latin-1") not in METHODS:
            refused.append("this method")
        wanted = fields.get(b"access-control-request-headers", b"").decode("latin-1").lower().split(",")
        if not {name.strip() for name in wanted if name.strip()} <= _ALLOWED:
            refused.append("one of these headers")
        if refused:
            raise CorsRefused(f"pages of other origins may not use {' or '.join(refused)}")
        return Ready(204, [*_PREFLIGHT], b"")
