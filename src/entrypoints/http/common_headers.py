"""The headers that every response gets, whatever made it."""

from typing import Any

from entrypoints.http.responses import RawHeaders

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
POLICY = b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"
"""For responses without a policy of their own: data, which needs to load nothing if a browser displays it."""
PRIVATE = "/api/v1/"
"""Paths whose responses may differ between users."""


def defaults(scope: Any, made: RawHeaders) -> RawHeaders:
    """The headers that a response with the headers `made` gets in addition, after everything else."""
    names = {name for name, _ in made}
    headers = [] if POLICY[0] in names else [POLICY]
    if scope["path"].startswith(PRIVATE) and b"cache-control" not in names:
        headers.append((b"cache-control", b"no-store"))
    return [*headers, (b"vary", _vary(scope))]


def _vary(scope: Any) -> bytes:
    """The request headers on which the responses of this address depend, whether or not this request has them."""
    path = scope["path"]
    if scope["method"] == "OPTIONS":
        return b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    if path.startswith("/media/"):
        return b"Origin"
    if path == "/api/v1/stream":
        return b"Accept, Authorization, Origin"
    private = path.startswith(PRIVATE)
    return b"Accept-Encoding, Authorization, Origin" if private else b"Accept-Encoding, Origin"
