"""Raw bytes over a socket, for requests that a well-behaved HTTP client does not send."""

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from .client import LEAKS, PROBLEM, Json


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found

    @property
    def handled(self) -> bool:
        """Whether the application answered. The HTTP server itself refuses invalid HTTP."""
        return "x-request-id" in self.headers


def exchange(
    base_url: str,
    method: str,
    target: str | bytes,
    headers: Iterable[tuple[str, str | bytes]] = (),
    body: bytes | None = None,
    raw_body: bytes | None = None,
) -> Answer:
    """Send one request exactly as given, without escaping. `raw_body` is sent without a Content-Length."""
    place = urlsplit(base_url)
    lines = [method.encode() + b" " + _bytes(target) + b" HTTP/1.1"]
    lines += [b"Host: " + place.netloc.encode(), b"Connection: close"]
    lines += [name.encode() + b": " + _bytes(value) for name, value in headers]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    sent = b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"") + (raw_body or b"")
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=30) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # the request was refused before it was read
            connection.sendall(sent)
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())


def check(answer: Answer, about: object = "") -> Answer:
    """Check that the answer is no server error, and that a refusal has problem details."""
    assert answer.status < 500, (about, answer)
    if answer.status >= 400:
        assert answer.headers["content-type"] == PROBLEM, (about, answer)
        assert not LEAKS.search(answer.body.decode()), (about, answer)
        if answer.body:
            assert answer.json["status"] == answer.status, (about, answer)
            assert answer.json["request_id"] == answer.headers["x-request-id"], (about, answer)
    return answer


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
