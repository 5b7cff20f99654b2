"""A proxy to PostgreSQL that counts each statement that a server runs.

It reads the messages of the wire protocol, so that it needs neither a database extension nor Waggle's own counters.
`Execute` runs a prepared statement, `Query` a plain one; BEGIN and COMMIT count too.
"""

import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

_ASKS_FOR_TLS = 80_877_103
_RUNS = (b"E", b"Q")


@dataclass
class Counter:
    statements: int = 0


@contextmanager
def counted(url: str) -> Iterator[tuple[str, Counter]]:
    """The URL of the proxy, and its counter, which counts while the block runs."""
    place, counter = urlsplit(url), Counter()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxy = _Proxy(str(place.hostname), place.port or 5432, counter)
    listening = asyncio.start_server(proxy.forward, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
    try:
        port = server.sockets[0].getsockname()[1]
        login = place.netloc.rpartition("@")[0]
        yield urlunsplit(place._replace(netloc=f"{login}@127.0.0.1:{port}")), counter
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end() -> None:
    here = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not here]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class _Proxy:
    host: str
    port: int
    counter: Counter

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.host, self.port)
        answers = asyncio.create_task(_copy(there, writer))
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._count(reader, back)
        finally:
            answers.cancel()
            for one in (back, writer):
                one.close()

    async def _count(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """The first message of a client has no type byte; all later ones have."""
        asked = True
        while asked:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!II", head)
            back.write(head + await reader.readexactly(length - 8))
            asked = code == _ASKS_FOR_TLS
        while True:
            head = await reader.readexactly(5)
            self.counter.statements += head[:1] in _RUNS
            back.write(head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4))
            await back.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the source ends, and then close `writer`, whose peer may wait for that."""
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
