"""A unit test cannot use the network."""

import asyncio
import socket
import urllib.request
from collections.abc import Callable

import pytest

from tests.conftest import NetworkUsed


@pytest.mark.parametrize(
    "use",
    [
        lambda: socket.socket(socket.AF_INET),
        lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        lambda: socket.create_connection(("127.0.0.1", 1)),
        lambda: socket.create_server(("127.0.0.1", 0)),
        lambda: socket.getaddrinfo("example.org", 80),
        lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"),
        lambda: urllib.request.urlopen("http://127.0.0.1:1"),
        lambda: asyncio.run(asyncio.open_connection("127.0.0.1", 1)),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_using_the_network_is_an_error(use: Callable[[], object]) -> None:
    with pytest.raises(NetworkUsed):
        use()
