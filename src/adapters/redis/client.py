"""Redis for a process: one connection, made again in the background when it ends."""

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from adapters.breaker import PROBE_SECONDS, Breaker
from adapters.redis.address import Address
from adapters.redis.connection import Connection, RedisAway, RedisRefused

log = logging.getLogger(__name__)

CONNECT = 1.0
"""Seconds for a connection, TLS and the first commands included."""
PAUSES = (0.05, 2.0)
"""Seconds between attempts: the first, doubled after each failure up to the last, half of it at random."""
STABLE = 5.0
"""Seconds that a connection must last for the next pause to be short again."""


class Script:
    """Lua that Redis runs as one step."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class Client:
    """Commands to Redis. They fail at once, as RedisAway, while it is known to be away: while there is no
    connection, and while the breaker is open. Nothing else is raised, and no command is tried again."""

    def __init__(self, address: Address, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.breaker = Breaker(monotonic)
        self.run_id = ""
        """Of the server that was reached last: another one after a restart, whose data may be older."""
        self._address = address
        self._now = monotonic
        self._connection: Connection | None = None
        self._ended = asyncio.Event()
        self._told: bool | None = None

    async def call(self, *command: Any) -> Any:
        connection = self._connection
        if connection is None or not self.breaker.closed:
            raise RedisAway("Redis is away")
        return await connection.send(*command)

    async def run_script(self, script: Script, keys: Sequence[Any], *arguments: Any) -> Any:
        try:
            return await self.call("EVALSHA", script.digest, len(keys), *keys, *arguments)
        except RedisRefused as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        # Nothing was run, so this is no second attempt.
        return await self.call("EVAL", script.source, len(keys), *keys, *arguments)

    async def check(self) -> None:
        """Raises RedisAway if commands fail at present."""
        if self._connection is None or not self.breaker.closed:
            raise RedisAway("Redis is away")

    async def run(self) -> None:
        """Keep a connection, until cancelled."""
        pause, longest = PAUSES
        try:
            while True:
                began = self._now()
                try:
                    await self._one_connection()
                except (OSError, RedisAway) as error:
                    self._tell(error)
                if self._now() - began > STABLE:
                    pause = PAUSES[0]
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only apart from each other
                pause = min(2 * pause, longest)
        finally:
            self._drop()

    async def _one_connection(self) -> None:
        """From the first byte to the last. Raises OSError and RedisAway."""
        self._drop()
        self._ended.clear()
        try:
            async with asyncio.timeout(CONNECT):
                connection = await self._connected()
        except TimeoutError:
            raise RedisAway("it does not answer") from None
        self._connection = connection
        while connection.open:
            if self.breaker.closed:
                self._tell(None)
            elif self.breaker.may_probe():
                await _quietly(connection.send("PING"))
                continue
            else:
                self._tell(RedisAway("it does not answer"))
            await self._end_within(PROBE_SECONDS / 4)
        raise RedisAway("the connection was lost")

    async def _connected(self) -> Connection:
        address = self._address
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(Breaker(self._now), self._ended.set),
            address.host,
            address.port,
            ssl=address.tls,
        )
        try:
            if address.password:
                await connection.send("AUTH", *filter(None, (address.username, address.password)))
            if address.db:
                await connection.send("SELECT", address.db)
            await _quietly(connection.send("CLIENT", "SETNAME", "waggle"))
            info = await connection.send("INFO", "server")
        except BaseException:
            connection.close()
            raise
        self.run_id = _run_id(info)
        connection.breaker = self.breaker  # the greeting was no probe
        return connection

    async def _end_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _tell(self, error: Exception | None) -> None:
        """One line when it goes, one when it comes back."""
        if self._told is (error is None):
            return
        self._told = error is None
        if error is None:
            log.info("Redis is there")
        else:
            log.warning("Redis is away: %s; going on without it", error)


async def _quietly(answer: Awaitable[Any]) -> None:
    """For what may fail without anything being wrong."""
    with suppress(RedisAway):
        await answer


def _run_id(info: Any) -> str:
    for line in info.decode(errors="replace").splitlines() if isinstance(info, bytes) else ():
        name, _, value = line.partition(":")
        if name == "run_id":
            return str(value)
    return ""
