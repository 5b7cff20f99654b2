"""The network of an HTTP request, by its connection and by what trusted proxies add to its headers."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from entrypoints.access.limits import Caller
from entrypoints.access.networks import MAX_HOPS, UNKNOWN, Networks

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]


def caller_of(scope: Any, networks: Networks) -> Caller:
    """The caller of a request that just came in."""
    client = scope.get("client")
    return Caller(networks.of(client[0] if client else "", forwarded(scope["headers"])))


def network_of(request: Any) -> str:
    """The network that the middleware found for this request or scope."""
    scope = request if isinstance(request, dict) else request.scope
    caller: Caller | None = scope.get("caller")
    return UNKNOWN if caller is None else caller.network


def forwarded(headers: Headers) -> Iterator[str]:
    """The addresses that the proxies forward for, the nearest proxy first.

    X-Forwarded-For goes before Forwarded: a proxy that knows only the first passes the second on as the client wrote it.
    """
    forwarded_for = [value for name, value in headers if name == b"x-forwarded-for"]
    if forwarded_for:
        for value in reversed(forwarded_for):
            yield from _last_first(value)
        return
    for value in reversed([value for name, value in headers if name == b"forwarded"]):
        for element in _last_first(value):
            yield _for(element)


def _last_first(value: bytes) -> Iterator[str]:
    for part in reversed(value.decode("latin-1").rsplit(",", MAX_HOPS)):
        yield part.strip()


def _for(element: str) -> str:
    """The `for` of an element of Forwarded (RFC 7239): `for="[2001:db8::1]:80";proto=https`."""
    for pair in element.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
    return ""
