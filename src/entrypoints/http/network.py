"""Where a request comes from: the network that limits are counted for.

A client can write any address into X-Forwarded-For; only what the operator's own proxies added is
believed, and only when the connection comes from one of them.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

UNKNOWN = "unknown"
"""The network of who has no address: a Unix socket, a test without a server. They are one network."""
MAX_HOPS = 32
"""Proxies that are followed back. Whoever names more of them has made them up."""
IPV6_PREFIX = 64
"""What one customer gets at least: an address of it says nothing, since there are 2^64 to choose from."""
SITE_PREFIX = 48
"""What one customer gets at most, as a rule."""


class Networks:
    """Tells the network of a request, given the proxies that may say for whom they ask.

    X-Forwarded-For goes before Forwarded: a proxy that knows only the first leaves the second as the
    client wrote it.
    """

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        """`trusted_proxies` are addresses and CIDR blocks; raises ValueError for what is neither."""
        self._trusted = tuple(ip_network(proxy) for proxy in trusted_proxies)

    def of(self, scope: Any) -> str:
        """An IPv4 address, an IPv6 /64, or UNKNOWN."""
        client = scope.get("client")
        peer: str = client[0] if client else ""
        if not self._trusted:
            return _network(peer)
        return self._behind(peer, scope["headers"])

    def trusts(self, peer: str) -> bool:
        """Whether a connection from this address may carry the requests of many."""
        address = _address(peer)
        return address is not None and self._is_proxy(address)

    def _behind(self, peer: str, headers: Headers) -> str:
        address = _address(peer)
        if address is None:
            return UNKNOWN
        hops = _hops(headers)
        for _ in range(MAX_HOPS):  # from the nearest proxy outwards, as far as the word of each is good
            if not self._is_proxy(address):
                break
            before = _address(next(hops, ""))
            if before is None:  # at the end, or something that no proxy of ours writes
                break
            address = before
        return _named(address)

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def network_of(request: Any) -> str:
    """The network that the edge found for this request (or for its scope)."""
    scope = request if isinstance(request, dict) else request.scope
    network: str = scope.get("network", UNKNOWN)
    return network


def site_of(network: str) -> str:
    """The IPv6 /48 of an IPv6 network, which one customer may have whole; empty for what has none."""
    try:
        return str(IPv6Network(network).supernet(new_prefix=SITE_PREFIX))
    except ValueError:
        return ""


def prefix(network: str) -> str:
    """The IPv4 /24 or IPv6 /48 of a network, which names no customer; what is neither stays as it is."""
    try:
        address = ip_network(network).network_address
    except ValueError:
        return network
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


@lru_cache(4096)
def _network(peer: str) -> str:
    address = _address(peer)
    return UNKNOWN if address is None else _named(address)


def _named(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), IPV6_PREFIX), strict=False))


@lru_cache(4096)
def _address(text: str) -> Address | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`."""
    if len(text) > 64:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _hops(headers: Headers) -> Iterator[str]:
    """Whom each proxy says it asks for, the nearest first."""
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
