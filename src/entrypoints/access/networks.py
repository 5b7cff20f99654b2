"""The network that a request comes from: what the limits without a token are counted by.

A client can claim any address for itself. Only what the operator's own proxies say is believed, and only on a
connection that comes from one of them.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""The network of all clients without an address: a Unix socket, a test without a server."""
MAX_HOPS = 32
"""Proxies that are followed back. A longer chain is made up."""
IPV6_PREFIX = 64
"""The smallest block that one customer gets: a single address of it identifies nobody, since there are 2^64."""
SITE_PREFIX = 48
"""The largest block that one customer usually gets."""
_MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses in their IPv6 form."""


def proxy_network(text: str) -> IPv4Network | IPv6Network:
    """The address or CIDR block, IPv4 also if it is written as IPv6 (`::ffff:10.0.0.0/104`), since connections over both
    are compared in one form. Raises ValueError."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network(
            (int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - _MAPPED.prefixlen)
        )
    return network


class Networks:
    """Finds the network of a request, given the proxies that may name the client they forward for."""

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        """`trusted_proxies` are addresses and CIDR blocks. Raises ValueError for anything else."""
        self._trusted = tuple(proxy_network(proxy) for proxy in trusted_proxies)

    def of(self, peer: str, forwarded: Iterable[str] = ()) -> str:
        """An IPv4 address, an IPv6 /64, or UNKNOWN.

        `peer` is the address of the connection. `forwarded` are the addresses that the proxies named, the nearest
        proxy first; they are read only as far as the proxies are trusted.
        """
        if not self._trusted:
            return _network(peer)
        return self._behind(peer, iter(forwarded))

    def trusts(self, peer: str) -> bool:
        """Whether a connection from this address may carry the requests of many clients."""
        address = _address(peer)
        return address is not None and self._is_proxy(address)

    def _behind(self, peer: str, forwarded: Iterator[str]) -> str:
        address = _address(peer)
        if address is None:
            return UNKNOWN
        for _ in range(MAX_HOPS):  # from the nearest proxy outwards, as long as each of them is trusted
            if not self._is_proxy(address):
                break
            before = _address(next(forwarded, ""))
            if before is None:  # the end, or something that no proxy of ours writes
                break
            address = before
        return _name(address)

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def site_of(network: str) -> str:
    """The IPv6 /48 of an IPv6 network, all of which may belong to one customer; empty for any other network."""
    try:
        return str(IPv6Network(network).supernet(new_prefix=SITE_PREFIX))
    except ValueError:
        return ""


def prefix(network: str) -> str:
    """The IPv4 /24 or IPv6 /48 of a network, which identifies no customer. Anything else is returned unchanged."""
    try:
        address = ip_network(network).network_address
    except ValueError:
        return network
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


@lru_cache(4096)
def _network(peer: str) -> str:
    address = _address(peer)
    return UNKNOWN if address is None else _name(address)


def _name(address: Address) -> str:
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
