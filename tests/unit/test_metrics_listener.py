"""The names that the listener of metrics answers to."""

import pytest

from entrypoints.http.metrics_listener import HostNames

NAMES = HostNames(("waggle.internal", "*.waggle.svc.cluster.local"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:9091",
        "10.1.2.3:9091",
        "[::1]",
        "[2001:db8::1]:9091",
        "localhost:9091",
        "LocalHost",
        "waggle:9091",  # a container, or a service of the same namespace
        "waggle.internal:9091",
        "Waggle.Internal.",
        "waggle-0.waggle.svc.cluster.local:9091",
    ],
)
def test_addresses_plain_names_and_given_names_are_known(host: str) -> None:
    assert NAMES.know(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:9091",
        "localhost.evil.example",
        "a.waggle.internal",
        "evilwaggle.svc.cluster.local",
        "waggle.svc.cluster.local",
        "1.2.3",
        "127.0.0.1%2eevil.example",
    ],
)
def test_other_names_with_a_dot_are_not_known(host: str) -> None:
    assert not NAMES.know(host)
    assert not HostNames(()).know(host)
