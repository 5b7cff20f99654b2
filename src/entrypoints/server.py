"""`waggle serve`: the server process, from its first connection to its last."""

import argparse
import asyncio
import dataclasses
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from ipaddress import ip_address
from math import inf
from types import FrameType

import uvicorn

from application.notifications.hub import Hub
from application.shared.log import log
from entrypoints.access.networks import Networks
from entrypoints.background import in_background
from entrypoints.container import Container, build
from entrypoints.http.app import VERSION, create_app
from entrypoints.http.bounded_protocol import bounded
from entrypoints.http.connections import MAX_PER_NETWORK, Connections
from entrypoints.http.metrics_listener import HostNames, MetricsConnections, serving_metrics
from entrypoints.http.notifications.stream.frames import MAX_FRAME
from entrypoints.http.starting import responding_to_probes
from entrypoints.http.websockets import BoundedSocket
from entrypoints.log_events import (
    MetricsExposed,
    MetricsServed,
    ProxiesNotTrusted,
    ServerDraining,
    ServerStarted,
    ServerStopped,
)
from entrypoints.metrics.lag import measure_lag
from entrypoints.metrics.reading import Served
from entrypoints.runtime import running
from entrypoints.settings import BadSettings, Settings
from entrypoints.web_addresses import listener_text

FINISH_SECONDS = 20
"""For requests in progress when the server stops."""
BACKLOG = 2048
"""Connections that may wait to be accepted."""
GOODBYE_SECONDS = 2.0
"""For streams to be notified that the server stops."""


async def serve(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Serve the API until SIGTERM or SIGINT."""
    with ExitStack() as stack:  # before anything is created: a port that is taken must leave nothing behind
        metrics = None
        if settings.metrics_at is not None:
            metrics = stack.enter_context(_listening(*settings.metrics_at))
        listener = stack.enter_context(_listening(settings.host, settings.port))
        if metrics is not None:  # the address with the port that was chosen, if it was 0
            host, port = metrics.getsockname()[:2]
            settings = dataclasses.replace(settings, metrics_address=listener_text(host, port))
        await _serve_on(listener, metrics, dataclasses.replace(settings, port=listener.getsockname()[1]))
    log(ServerStopped())
    return 0


async def _serve_on(listener: socket.socket, metrics: socket.socket | None, settings: Settings) -> None:
    container = build(settings)
    async with AsyncExitStack() as stack:
        async with responding_to_probes(listener):
            await stack.enter_async_context(running(container, settings))
        if settings.env == "production" and not settings.trusted_proxies:
            log(ProxiesNotTrusted())  # not before a refusal, which is one line
        connections = Connections(
            Networks(settings.trusted_proxies),
            None if settings.rate_limits == "off" else MAX_PER_NETWORK,
        )
        config = uvicorn.Config(
            create_app(container, settings, lambda: connections.draining),
            http=bounded(connections),  # type: ignore[arg-type]  # uvicorn wants a class, but only calls it
            ws=BoundedSocket,
            ws_max_size=MAX_FRAME,
            ws_ping_interval=None,  # the stream has its own heartbeat, which clients can see
            ws_per_message_deflate=False,
            lifespan="off",
            access_log=False,
            proxy_headers=False,  # access/networks.py decides which proxies to trust
            server_header=False,
            date_header=True,
            log_config=None,
            timeout_graceful_shutdown=FINISH_SECONDS,
            timeout_keep_alive=75,
        )
        if metrics is not None:
            await _serve_metrics(stack, metrics, container, connections)
        await _Server(config, settings, connections, container.hub()).serve(sockets=[listener])


async def _serve_metrics(
    stack: AsyncExitStack, listener: socket.socket, container: Container, connections: Connections
) -> None:
    # Here and not above: the library takes 25 ms, which only a server with metrics should pay.
    from entrypoints.metrics.exposition import exposition  # noqa: PLC0415

    private = MetricsConnections()
    served = Served(
        VERSION,
        lambda: len(connections),
        lambda: {**connections.refused, "metrics": private.refused["process"]},
        {"public": connections.invalid, "metrics": private.invalid},
    )
    names = HostNames(container.config().settings.metrics_hosts)
    await stack.enter_async_context(serving_metrics(listener, exposition(container, served), names, private))
    await in_background(stack, "lag of the event loop", lambda: measure_lag(container.meters().lag))
    host, port = listener.getsockname()[:2]
    log(MetricsServed(port=port))
    if not ip_address(host).is_loopback:
        log(MetricsExposed(port=port))


class _Server(uvicorn.Server):
    """uvicorn with changes: it prints the addresses of Waggle, a requested stop is not a failure, load balancers notice a
    stop first, and slow connections are not waited for.

    SIGTERM begins the drain: `/readyz` responds with 503, and everything is served as before. A second signal ends the drain
    early. SIGINT (Ctrl-C) skips it: a developer at a terminal has no load balancer to wait for.
    """

    def __init__(
        self, config: uvicorn.Config, settings: Settings, connections: Connections, hub: Hub
    ) -> None:
        super().__init__(config)
        self._hub = hub
        self._settings = settings
        self._connections = connections
        self._drained_at = inf
        """The end of the drain, by the clock of the event loop."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:  # two servers may bind the same port while neither listens yet
            raise _cannot_listen(self._settings.host, self._settings.port, error) from None
        gc.freeze()  # what exists now stays: collecting it again and again took up to 4 ms and freed nothing
        log(ServerStarted(shape=self._settings.shape, port=self._settings.port))
        print(_where(self._settings), flush=True)  # noqa: T201 - for the person at the terminal

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        seconds = self._settings.drain_seconds
        if sig == signal.SIGTERM and seconds and not self._connections.draining:
            log(ServerDraining(seconds=seconds))
            self._connections.draining = True
            self._drained_at = asyncio.get_running_loop().time() + seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        now = asyncio.get_running_loop().time()
        if counter % 10 == 0:  # a tick is a tenth of a second
            self._connections.end_overdue(now)
        return await super().on_tick(counter) or now >= self._drained_at

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell stream clients when to reconnect, before uvicorn closes their connections. Do it only after the drain: until
        then a load balancer could send them back to this process."""
        self._connections.draining = True
        self._hub.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._hub.wait_until_empty()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from None
    with listener:
        yield listener


def _cannot_listen(host: str, port: int, error: OSError) -> BadSettings:
    return BadSettings(f"cannot listen on {host}:{port}: {error.strerror}")


def _where(settings: Settings) -> str:
    data = {
        "memory": "in memory, lost when this process ends",
        "embedded": str(settings.data_dir.absolute()),
        "postgres": "in PostgreSQL",
        "scaled": "in PostgreSQL",
    }[settings.shape]
    metrics = (
        f"\n    metrics        http://{settings.metrics_address}/metrics" if settings.metrics_address else ""
    )
    return f"""
  Waggle is up.

    API            {settings.url}/api/v1
    documentation  {settings.url}/api/docs{metrics}
    data           {data}
"""
