"""The private listener, which serves metrics and nothing else. It has few connections and short deadlines, and answers only to
names that no stranger can point to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, TypeAlias

import uvicorn
from uvicorn.server import ServerState

from application.shared.log import log
from entrypoints.access.networks import Networks, prefix
from entrypoints.http.bounded_protocol import BoundedProtocol, bounded
from entrypoints.http.connections import REPEAT_SECONDS, Connections
from entrypoints.http.request_middleware import MAX_HEADER_BYTES, host_error
from entrypoints.log_events import MetricsHostRefused, TooManyMetricsConnections

MAX_CONNECTIONS = 16
PATH = "/metrics"
KEEP_ALIVE_SECONDS = 75
"""More than the usual pause between two scrapes."""
HEADER_SECONDS = 2.0
"""From the beginning of a connection, or of a further request on it, to the end of the headers."""

Expose: TypeAlias = Callable[[str], Awaitable[tuple[str, bytes]]]
"""Returns the content type and the body, for an Accept header."""


class MetricsConnections(Connections):
    """When they are full, a new connection replaces the oldest that is not in the middle of a scrape. So neither slow clients nor
    idle ones keep a scrape out. Prometheus connects again if its idle connection was closed."""

    listener = "metrics"
    header_seconds = HEADER_SECONDS

    def __init__(self) -> None:
        super().__init__(Networks(), None, MAX_CONNECTIONS)

    def make_room(self) -> bool:
        idle = [one for one in self.open if isinstance(one, BoundedProtocol) and one.is_idle]
        if not idle:
            return False
        # First those that have not sent a request in time, then those that wait between two scrapes.
        oldest = min(idle, key=lambda one: one.due)
        self.leave(oldest)
        oldest.transport.abort()
        return True

    def warn_full(self, network: str) -> None:  # of no network: they have no limit here
        log(TooManyMetricsConnections(count=len(self)))


class HostNames:
    """The names under which the metrics are served: every IP address, `localhost`, every name without a dot (of a container or a
    service), and the given ones, of which `*.example.org` means all below it. No other name: the owner of a domain could let it point
    to this machine, and then a page of theirs could read the metrics in a browser of this network."""

    def __init__(self, names: Collection[str]) -> None:
        self._exact = {name for name in names if not name.startswith("*.")}
        self._endings = tuple(name[1:] for name in names if name.startswith("*."))

    def know(self, host: str) -> bool:
        """`host` is a valid Host header."""
        if host.startswith("["):
            return True
        name = host.partition(":")[0].lower().removesuffix(".")
        return (
            "." not in name
            or name in self._exact
            or name.endswith(self._endings or ("//",))
            or _is_address(name)
        )


@asynccontextmanager
async def serving_metrics(
    listener: socket.socket, expose: Expose, names: HostNames, connections: MetricsConnections
) -> AsyncIterator[None]:
    """Serve until the block ends. Scrapes in progress are then cut off."""
    config = uvicorn.Config(
        _App(expose, names),
        http=bounded(connections),  # type: ignore[arg-type]  # uvicorn wants a class, but only calls it
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
    state, protocol = ServerState(), bounded(connections)
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config, state, {}), sock=listener, backlog=MAX_CONNECTIONS
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


class _App:
    """The ASGI application."""

    def __init__(self, expose: Expose, names: HostNames) -> None:
        self._expose, self._names = expose, names
        self._next_warning = 0.0

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        status, headers, body = await self._respond(scope)
        headers = [*headers, (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, scope: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        text = (b"content-type", b"text/plain; charset=utf-8")
        if scope.get("header_bytes", 0) > MAX_HEADER_BYTES:
            return 431, [text], b"the headers are too large\n"
        if error := host_error(scope["headers"], scope["http_version"]):
            return 400, [text], error.encode() + b"\n"
        if any(name == b"host" and not self._names.know(value.decode()) for name, value in scope["headers"]):
            self._warn(scope["client"])
            return 421, [text], b"this host is not in WAGGLE_METRICS_HOSTS\n"
        if scope["path"] != PATH:
            return 404, [text], b"metrics are at /metrics\n"
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, [text, (b"allow", b"GET, HEAD")], b"the method must be GET\n"
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
        content_type, body = await self._expose(accept.decode("latin-1"))
        return 200, [(b"content-type", content_type.encode())], body

    def _warn(self, client: tuple[str, int] | None) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._next_warning:
            self._next_warning = now + REPEAT_SECONDS
            log(MetricsHostRefused(network=prefix(Networks().of(client[0])) if client else ""))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
