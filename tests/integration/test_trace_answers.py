"""Answers of a collector that never end: they cost neither time nor memory without a bound."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from requests.exceptions import RequestException

from adapters.traces.session import ANSWER_BYTES, BoundedSession

MB = 1024 * 1024
BEGIN = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that answers one request."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1/traces"
        thread.join()


@pytest.mark.timeout(30)
def test_an_answer_that_arrives_byte_by_byte_ends_with_the_timeout() -> None:
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(BEGIN % MB)
        while not ended.wait(0.02):
            connection.sendall(b"x")

    with answering(drip) as url, BoundedSession() as session:
        try:
            with pytest.raises(RequestException, match="not complete in time"):
                session.post(url, data=b"spans", timeout=0.3)
        finally:
            ended.set()


@pytest.mark.timeout(30)
def test_no_more_of_a_long_answer_is_read_than_its_limit() -> None:
    sent = [0]

    def flood(connection: socket.socket) -> None:
        connection.sendall(BEGIN % (300 * MB))
        while sent[0] < 300 * MB:
            sent[0] += connection.send(bytes(ANSWER_BYTES))

    with (
        answering(flood) as url,
        BoundedSession() as session,
        pytest.raises(RequestException, match="too long"),
    ):
        session.post(url, data=b"spans", timeout=20)

    assert sent[0] < 64 * MB  # what the buffers of the two sockets hold


@pytest.mark.timeout(30)
def test_a_redirect_is_an_error() -> None:
    def redirect(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 308 Moved\r\nLocation: https://collector.example/v1/traces\r\nContent-Length: 0\r\n\r\n"
        )

    with (
        answering(redirect) as url,
        BoundedSession() as session,
        pytest.raises(RequestException, match="redirects"),
    ):
        session.post(url, data=b"spans", timeout=20)


@pytest.mark.timeout(30)
def test_a_short_answer_is_read() -> None:
    with (
        answering(lambda connection: connection.sendall(BEGIN % 5 + b"taken")) as url,
        BoundedSession() as session,
    ):
        answer = session.post(url, data=b"spans", timeout=20)

        assert (answer.status_code, answer.content) == (200, b"taken")
