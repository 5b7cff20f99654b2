"""Where a request comes from, and who is believed about it."""

from typing import Any

import pytest

from entrypoints.http.network import UNKNOWN, Networks, network_of, site_of

PROXIES = ("10.0.0.0/8", "192.0.2.1", "2001:db8:aaaa::/48")


def scope(peer: str | None, **headers: str) -> dict[str, Any]:
    sent = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"client": (peer, 4711) if peer is not None else None, "headers": sent}


@pytest.mark.parametrize(
    ("peer", "network"),
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
def test_a_network_is_an_ipv4_address_or_an_ipv6_block(peer: str | None, network: str) -> None:
    assert Networks().of(scope(peer)) == network
    assert Networks(PROXIES).of(scope(peer)) == network


@pytest.mark.parametrize(
    "header", ["x_forwarded_for", "forwarded", "x_real_ip", "client_ip", "true_client_ip"]
)
@pytest.mark.parametrize("trusted", [(), PROXIES], ids=["no proxy", "other proxies"])
def test_ap3_what_a_client_says_of_its_own_address_has_no_effect(
    header: str, trusted: tuple[str, ...]
) -> None:
    value = "for=203.0.113.9" if header == "forwarded" else "203.0.113.9"

    assert Networks(trusted).of(scope("198.51.100.7", **{header: value})) == "198.51.100.7"


@pytest.mark.parametrize(
    ("value", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:5555", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::/64"),
        ("203.0.113.9, 10.1.1.1, 10.2.2.2", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"),  # the first was there before our proxies
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),  # asked by a proxy itself
        ("unknown", "10.0.0.1"),
        ("1.1.1.1, nonsense, 10.1.1.1", "10.1.1.1"),  # what is behind nonsense is nobody's word
        ("", "10.0.0.1"),
        (",,,", "10.0.0.1"),
        ("203.0.113.999", "10.0.0.1"),
        ("\xff\xfe", "10.0.0.1"),
        ("x" * 60_000, "10.0.0.1"),
        (",".join(["10.1.1.1"] * 5_000), "10.1.1.1"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_proxy_is_believed_from_right_to_left(value: str, network: str) -> None:
    assert Networks(PROXIES).of(scope("10.0.0.1", x_forwarded_for=value)) == network


@pytest.mark.parametrize(
    ("value", "network"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('proto=https;For="[2001:db8::1]:4711";by=10.0.0.1', "2001:db8::/64"),
        ("for=1.1.1.1, for=203.0.113.9;proto=http, for=10.1.1.1", "203.0.113.9"),
        ("for=_hidden", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_as_rfc_7239_has_it(value: str, network: str) -> None:
    assert Networks(PROXIES).of(scope("10.0.0.1", forwarded=value)) == network


def test_ap3_forwarded_is_left_aside_where_the_proxy_writes_the_other() -> None:
    both = scope("10.0.0.1", forwarded="for=1.1.1.1", x_forwarded_for="203.0.113.9")

    assert Networks(PROXIES).of(both) == "203.0.113.9"


def test_several_headers_are_one_list() -> None:
    asked = scope("10.0.0.1")
    asked["headers"] = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"203.0.113.9, 10.1.1.1")]

    assert Networks(PROXIES).of(asked) == "203.0.113.9"


def test_what_the_edge_found_is_what_handlers_are_told() -> None:
    assert network_of({"network": "198.51.100.7"}) == "198.51.100.7"
    assert network_of({}) == UNKNOWN


@pytest.mark.parametrize("proxy", ["proxy.example.org", "10.0.0.1/8", "10.0.0.0/33", "", "*"])
def test_a_proxy_that_is_no_block_of_addresses_is_refused(proxy: str) -> None:
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
def test_the_networks_of_one_customer_are_one_site(network: str, site: str) -> None:
    assert site_of(network) == site
