"""The private listener, which serves metrics and nothing else. It has the deadlines of the public one, and few connections."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import uvicorn
from uvicorn.server import ServerState

from entrypoints.access.networks import Networks
from entrypoints.http.connections import Connections
from entrypoints.http.request_middleware import MAX_HEADER_BYTES, host_error

MAX_CONNECTIONS = 16
PATH = "/metrics"
KEEP_ALIVE_SECONDS = 75
"""More than the usual pause between two scrapes."""

Expose: TypeAlias = Callable[[str], Awaitable[tuple[str, bytes]]]
"""Returns the content type and the body, for an Accept header."""


@asynccontextmanager
async def serving_metrics(listener: socket.socket, expose: Expose) -> AsyncIterator[None]:
    """Serve until the block ends. Scrapes in progress are then cut off."""
    connections = Connections(Networks(), None, MAX_CONNECTIONS)
    config = uvicorn.Config(
        _app(expose),
        http=connections.protocol,  # type: ignore[arg-type]  # uvicorn wants a class, but only calls it
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: connections.protocol(config, state, {}), sock=listener, backlog=MAX_CONNECTIONS
    )
    deadlines = asyncio.create_task(_keep_deadlines(connections))
    try:
        yield
    finally:
        server.close()
        deadlines.cancel()
        connections.abort()
        await asyncio.wait([deadlines])


async def _keep_deadlines(connections: Connections) -> None:
    while True:
        await asyncio.sleep(1)
        connections.end_overdue(asyncio.get_running_loop().time())


def _app(expose: Expose) -> Any:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        status, headers, body = await _respond(scope, expose)
        headers = [*headers, (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def _respond(scope: Any, expose: Expose) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    text = (b"content-type", b"text/plain; charset=utf-8")
    if scope.get("header_bytes", 0) > MAX_HEADER_BYTES:
        return 431, [text], b"the headers are too large\n"
    if error := host_error(scope["headers"], scope["http_version"]):
        return 400, [text], error.encode() + b"\n"
    if scope["path"] != PATH:
        return 404, [text], b"metrics are at /metrics\n"
    if scope["method"] not in {"GET", "HEAD"}:
        return 405, [text, (b"allow", b"GET, HEAD")], b"the method must be GET\n"
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    content_type, body = await expose(accept.decode("latin-1"))
    return 200, [(b"content-type", content_type.encode())], body
