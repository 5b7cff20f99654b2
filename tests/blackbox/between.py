"""A network between Waggle and a server that it needs, which can be cut and can hang."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from anyio.from_thread import BlockingPortal, start_blocking_portal

_PIECE = 65536


@dataclass
class Between:
    """Listens on a port of its own, in a thread of its own."""

    url: str
    """Of the server."""
    portal: BlockingPortal
    port: int = 0
    _way: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while bytes go through."""
    _is_cut: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def through(self) -> str:
        """The URL of the server by this way."""
        place = urlsplit(self.url)
        login, _, _ = place.netloc.rpartition("@")
        return place._replace(netloc=f"{login}@127.0.0.1:{self.port}").geturl()

    def cut(self) -> None:
        """All connections are reset, and new ones are."""
        self._is_cut = True
        self.portal.call(self._abort)

    def hang(self) -> None:
        """Nothing goes through any more, and nobody is told."""
        self.portal.call(self._way.clear)

    def heal(self) -> None:
        self._is_cut = False
        self.portal.call(self._way.set)

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._way.set()
        return server

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = urlsplit(self.url)
        self._open.add(writer)
        with suppress(OSError):
            if self._is_cut:
                writer.transport.abort()
                return
            there, back = await asyncio.open_connection(place.hostname, place.port)
            self._open.add(back)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
            self._open.discard(back)
        self._open.discard(writer)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(_PIECE):
                await self._way.wait()
                sink.write(piece)
                await sink.drain()
        sink.close()


@contextmanager
def between(url: str) -> Iterator[Between]:
    with start_blocking_portal() as portal:
        way = Between(url, portal)
        server = portal.call(way.start)
        try:
            yield way
        finally:
            way.heal()
            way.cut()
            portal.call(server.close)
            portal.call(asyncio.sleep, 0.05)  # for those that were aborted to end
