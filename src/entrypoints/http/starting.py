"""The responses of a server that starts: to its probes, and with 503 to everything else.

The application exists only when the start is complete. Until then these few lines respond on the same port, so that a slow start
can be told from a process that hangs.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import cast

import msgspec

from entrypoints.http.errors import PROBLEM
from entrypoints.http.operations import Health
from entrypoints.http.request_middleware import MAX_HEADER_BYTES, id_of, last_resort

_UNREADY = Health("unready", {"process": "starting"})
_PROBES = {"/livez": (200, Health("ok")), "/readyz": (503, _UNREADY), "/startupz": (503, _UNREADY)}
_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"retry-after", b"1")]
_END_OF_HEADERS = b"\r\n\r\n"


@asynccontextmanager
async def responding_to_probes(listener: socket.socket) -> AsyncIterator[None]:
    """Respond on `listener` during the block. Later connections wait for whoever listens next."""
    open_: set[asyncio.BaseTransport] = set()
    # A copy, because asyncio closes the socket of a server that ends.
    server = await asyncio.get_running_loop().create_server(lambda: _Starting(open_), sock=listener.dup())
    try:
        yield
    finally:
        server.close()
        for transport in tuple(open_):
            transport.close()


class _Starting(asyncio.Protocol):
    """One connection, which is closed after its first response."""

    _transport: asyncio.Transport

    def __init__(self, open_: set[asyncio.BaseTransport]) -> None:
        self._open, self._received = open_, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._open.add(transport)
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._transport.is_closing():
            return
        if _END_OF_HEADERS in self._received or len(self._received) > MAX_HEADER_BYTES:
            self._transport.write(response_to(self._received.partition(b"\r\n")[0]))
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        self._open.discard(self._transport)


def response_to(request_line: bytes) -> bytes:
    """The whole response to a request that begins with this line."""
    method, _, target = request_line.decode("latin-1").partition(" ")
    path = target.partition(" ")[0].partition("?")[0]
    if method in {"GET", "HEAD"} and path in _PROBES:
        status, health = _PROBES[path]
        headers, body = _JSON, msgspec.json.encode(health)
    else:
        status = 503
        headers, body = last_resort(status, id_of({}))
        headers = [*headers, (b"content-type", PROBLEM.encode())]
    fields = dict(headers) | {b"content-length": b"%d" % len(body), b"connection": b"close"}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in fields.items()]
    return b"\r\n".join((*lines, b"", b"" if method == "HEAD" else body))
