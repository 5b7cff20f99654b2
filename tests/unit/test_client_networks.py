"""The network that a request is counted for, and which headers are believed about it."""

from typing import Any

import pytest

from entrypoints.access.limits import Caller
from entrypoints.access.networks import UNKNOWN, Networks, site_of
from entrypoints.http.network import caller_of, network_of

PROXIES = ("10.0.0.0/8", "192.0.2.1", "2001:db8:aaaa::/48")


def scope(peer: str | None, **headers: str) -> dict[str, Any]:
    sent = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"client": (peer, 4711) if peer is not None else None, "headers": sent}


def network(scope: dict[str, Any], *trusted: str) -> str:
    return caller_of(scope, Networks(trusted)).network


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", UNKNOWN),
        ("/run/waggle.sock", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_a_network_is_an_ipv4_address_or_an_ipv6_64(peer: str | None, expected: str) -> None:
    assert network(scope(peer)) == expected
    assert network(scope(peer), *PROXIES) == expected


@pytest.mark.parametrize(
    "header", ["x_forwarded_for", "forwarded", "x_real_ip", "client_ip", "true_client_ip"]
)
@pytest.mark.parametrize("trusted", [(), PROXIES], ids=["no proxy", "other proxies"])
def test_ap3_headers_from_an_untrusted_peer_are_ignored(header: str, trusted: tuple[str, ...]) -> None:
    value = "for=203.0.113.9" if header == "forwarded" else "203.0.113.9"

    assert network(scope("198.51.100.7", **{header: value}), *trusted) == "198.51.100.7"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:5555", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("203.0.113.9, 10.1.1.1, 10.2.2.2", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"),  # the client sent the first
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),  # a request of the proxy itself
        ("unknown", "10.0.0.1"),
        ("1.1.1.1, nonsense, 10.1.1.1", "10.1.1.1"),  # anything before an invalid entry is not trusted
        ("", "10.0.0.1"),
        (",,,", "10.0.0.1"),
        ("203.0.113.999", "10.0.0.1"),
        ("\xff\xfe", "10.0.0.1"),
        ("x" * 60_000, "10.0.0.1"),
        (",".join(["10.1.1.1"] * 5_000), "10.1.1.1"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_x_forwarded_for_is_read_from_right_to_left_through_trusted_proxies(
    value: str, expected: str
) -> None:
    assert network(scope("10.0.0.1", x_forwarded_for=value), *PROXIES) == expected


@pytest.mark.parametrize("proxy", ["10.0.0.0/8", "::ffff:10.0.0.0/104", "::ffff:10.1.2.3"])
@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_an_ipv4_proxy_is_trusted_in_its_ipv6_form_too(proxy: str, peer: str) -> None:
    assert network(scope(peer, x_forwarded_for="198.51.100.7"), proxy) == "198.51.100.7"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('proto=https;For="[2001:db8::1]:4711";by=10.0.0.1', "2001:db8::/64"),
        ("for=1.1.1.1, for=203.0.113.9;proto=http, for=10.1.1.1", "203.0.113.9"),
        ("for=_hidden", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
    ],
)
def test_forwarded_is_parsed_by_rfc_7239(value: str, expected: str) -> None:
    assert network(scope("10.0.0.1", forwarded=value), *PROXIES) == expected


def test_ap3_forwarded_is_ignored_if_there_is_x_forwarded_for() -> None:
    both = scope("10.0.0.1", forwarded="for=1.1.1.1", x_forwarded_for="203.0.113.9")

    assert network(both, *PROXIES) == "203.0.113.9"


def test_repeated_headers_are_one_list() -> None:
    asked = scope("10.0.0.1")
    asked["headers"] = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"203.0.113.9, 10.1.1.1")]

    assert network(asked, *PROXIES) == "203.0.113.9"


def test_handlers_see_the_network_that_the_middleware_found() -> None:
    assert network_of({"caller": Caller("198.51.100.7")}) == "198.51.100.7"
    assert network_of({}) == UNKNOWN


@pytest.mark.parametrize("proxy", ["proxy.example.org", "10.0.0.1/8", "10.0.0.0/33", "", "*"])
def test_a_trusted_proxy_must_be_an_address_or_a_cidr_block(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Networks([proxy])


@pytest.mark.parametrize(
    ("network", "site"),
    [
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::/64", "2001:db8:1::/48"),
        ("2001:db8:2::/64", "2001:db8:2::/48"),
        ("192.0.2.1", ""),
        (UNKNOWN, ""),
    ],
)
def test_the_site_of_a_network_is_its_ipv6_48(network: str, site: str) -> None:
    assert site_of(network) == site
