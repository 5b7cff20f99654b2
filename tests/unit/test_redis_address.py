"""The parts of a Redis URL."""

import ssl

import pytest

from adapters.redis.address import Address


def test_all_parts_of_a_url_are_parsed() -> None:
    address = Address.of("redis://bee:h%2Fney@hive:7000/3")

    assert address == Address("hive", 7000, 3, "bee", "h/ney")
    assert address.tls is None
    assert "ney" not in repr(address)


def test_most_parts_of_a_redis_url_are_optional() -> None:
    assert Address.of("redis://hive") == Address("hive", 6379, 0)


def test_tls_verifies_the_certificate_and_the_host_name() -> None:
    tls = Address.of("rediss://hive").tls

    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    "url",
    [
        "http://hive",
        "rediss://hive?ssl_cert_reqs=none",
        "rediss://hive?ssl_ca_certs=/nowhere/at/all",
        "redis://hive?ssl_ca_certs=/etc/hosts",
        "redis://hive?socket_timeout=60",
        "redis://:hunter2/more@hive",
        "unix:///run/redis.sock",
    ],
)
def test_an_invalid_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be parsed|unknown parameters|is not a file") as caught:
        Address.of(url)

    assert "hunter2" not in str(caught.value)
