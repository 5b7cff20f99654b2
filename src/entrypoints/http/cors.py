"""Which pages of other origins may use the API (the fetch standard's CORS protocol)."""

import re
from collections.abc import Mapping, Sequence

from entrypoints.http.answers import RawHeaders, Ready
from entrypoints.http.errors import CorsRefused

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
"""Seconds for which a browser need not ask again."""

_ALLOWED = frozenset(name.lower() for name in REQUEST_HEADERS)
_PREFLIGHT: RawHeaders = [
    (b"access-control-allow-methods", ", ".join(METHODS).encode()),
    (b"access-control-allow-headers", ", ".join(REQUEST_HEADERS).encode()),
    (b"access-control-max-age", b"%d" % MAX_AGE),
]
_EXPOSE = b"access-control-expose-headers", ", ".join(EXPOSED).encode()


class Origins:
    """Origins from which a browser may use the server. `*` among them allows all; `pattern` is a regular expression."""

    def __init__(self, allowed: Sequence[str], pattern: str | None = None) -> None:
        self._all = "*" in allowed
        self._allowed = frozenset(origin.encode() for origin in allowed)
        self._pattern = re.compile(pattern.encode()) if pattern else None

    def allow(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether the request may be served; without `Origin` it comes from no browser."""
        origins = [value for name, value in headers if name == b"origin"]
        return not origins or (len(origins) == 1 and origins[0] in self)

    def __contains__(self, origin: bytes) -> bool:
        return self._all or origin in self._allowed or bool(self._pattern and self._pattern.fullmatch(origin))


class Cors:
    """What the answers tell a browser. No cookie is ever looked at, so credentials are not allowed."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def of(self, origin: bytes) -> RawHeaders:
        """The headers of an answer to a page of this origin."""
        return [(b"access-control-allow-origin", origin), _EXPOSE] if origin in self._origins else []

    def preflight(self, fields: Mapping[bytes, bytes]) -> Ready:
        """The answer to the question whether a page may send a request. Raises CorsRefused."""
        wrong = []
        if fields[b"origin"] not in self._origins:
            wrong.append("this origin")
        if fields[b"access-control-request-method"].decode("latin-1") not in METHODS:
            wrong.append("this method")
        wanted = fields.get(b"access-control-request-headers", b"").decode("latin-1").lower().split(",")
        if not {name.strip() for name in wanted if name.strip()} <= _ALLOWED:
            wrong.append("one of these headers")
        if wrong:
            raise CorsRefused(f"pages of other origins may not use {' or '.join(wrong)}")
        return Ready(204, [*_PREFLIGHT], b"")
