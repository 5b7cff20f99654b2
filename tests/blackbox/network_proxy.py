"""A TCP proxy between Waggle and a server that it needs. It can cut connections, and it can hang."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from anyio.from_thread import BlockingPortal, start_blocking_portal

_PIECE = 65536


@dataclass
class NetworkProxy:
    """Listens on its own port, in its own thread."""

    server_url: str
    """The URL of the real server."""
    portal: BlockingPortal
    port: int = 0
    _forwarding: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while bytes are forwarded."""
    _is_cut: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The URL of the server through this proxy."""
        parts = urlsplit(self.server_url)
        login, _, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{login}@127.0.0.1:{self.port}").geturl()

    def cut(self) -> None:
        """Reset all connections, and new ones too."""
        self._is_cut = True
        self.portal.call(self._abort)

    def hang(self) -> None:
        """Stop forwarding without closing any connection."""
        self.portal.call(self._forwarding.clear)

    def restore(self) -> None:
        self._is_cut = False
        self.portal.call(self._forwarding.set)

    async def wait_until_empty(self) -> None:
        """Wait until every connection has ended, at most five seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._forwarding.set()
        return server

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.server_url)
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._open.add(writer)
        with suppress(OSError):
            if self._is_cut:
                writer.transport.abort()
                return
            there, back = await asyncio.open_connection(parts.hostname, parts.port)
            self._open.add(back)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            self._open.discard(back)
        self._open.discard(writer)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(_PIECE):
                await self._forwarding.wait()
                sink.write(piece)
                await sink.drain()
        sink.close()


@contextmanager
def network_proxy(url: str) -> Iterator[NetworkProxy]:
    with start_blocking_portal() as portal:
        proxy = NetworkProxy(url, portal)
        server = portal.call(proxy.start)
        try:
            yield proxy
        finally:
            proxy.restore()
            proxy.cut()
            portal.call(server.close)
            portal.call(proxy.wait_until_empty)
