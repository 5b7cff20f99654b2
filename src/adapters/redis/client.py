"""Redis for a process: one connection, restored in the background when it ends."""

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from adapters.breaker import PROBE_SECONDS, Breaker
from adapters.log_events import RedisAvailable, RedisUnavailable
from adapters.redis.address import Address
from adapters.redis.connection import CommandStats, Connection, RedisAway, RedisRefused
from application.shared.log import log

CONNECT = 1.0
"""Seconds for connecting, including TLS and the first commands."""
PAUSES = (0.05, 2.0)
"""Seconds between attempts: the first pause, which doubles after each failure up to the second; half of it is random."""
STABLE = 5.0
"""Seconds that a connection must last before the next pause is short again."""


class Script:
    """A Lua script, which Redis runs atomically."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class Client:
    """Sends commands to Redis. While Redis is known to be unavailable (no connection, or an open breaker), commands fail
    immediately. They raise only RedisAway and are never retried."""

    def __init__(self, address: Address, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.breaker = Breaker(monotonic)
        self.stats = CommandStats()
        self.run_id = ""
        """The run id of the last server. It changes with a restart, after which the data may be older."""
        self._address = address
        self._now = monotonic
        self._connection: Connection | None = None
        self._ended = asyncio.Event()
        self._logged_available: bool | None = None

    async def call(self, *command: Any) -> Any:
        connection = self._connection
        if connection is None or not self.breaker.closed:
            raise RedisAway("Redis is unavailable")
        return await connection.send(*command)

    async def run_script(self, script: Script, keys: Sequence[Any], *arguments: Any) -> Any:
        try:
            return await self.call("EVALSHA", script.digest, len(keys), *keys, *arguments)
        except RedisRefused as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        # Nothing was run, so this is not a retry.
        return await self.call("EVAL", script.source, len(keys), *keys, *arguments)

    async def check(self) -> None:
        """Raises RedisAway if commands fail currently."""
        if not self.available:
            raise RedisAway("Redis is unavailable")

    @property
    def available(self) -> bool:
        """Whether commands are sent currently."""
        return self._connection is not None and self.breaker.closed

    @property
    def pending(self) -> int:
        """Commands without a reply."""
        return self._connection.pending if self._connection is not None else 0

    async def run(self) -> None:
        """Keep a connection open until cancelled."""
        pause, longest = PAUSES
        try:
            while True:
                began = self._now()
                try:
                    await self._one_connection()
                except (OSError, RedisAway) as error:
                    self._log(error)
                if self._now() - began > STABLE:
                    pause = PAUSES[0]
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the processes, no secret
                pause = min(2 * pause, longest)
        finally:
            self._drop()

    async def _one_connection(self) -> None:
        """Use one connection until it ends. Raises OSError and RedisAway."""
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
                self._log(None)
            elif self.breaker.may_probe():
                await _ignoring_unavailable(connection.send("PING"))
                continue
            else:
                self._log(RedisAway("it does not answer"))
            await self._end_within(PROBE_SECONDS / 4)
        raise RedisAway("the connection was lost")

    async def _connected(self) -> Connection:
        address = self._address
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(Breaker(self._now), self._ended.set, self.stats),
            address.host,
            address.port,
            ssl=address.tls,
        )
        try:
            if address.password:
                await connection.send("AUTH", *filter(None, (address.username, address.password)))
            if address.db:
                await connection.send("SELECT", address.db)
            await _ignoring_unavailable(connection.send("CLIENT", "SETNAME", "waggle"))
            info = await connection.send("INFO", "server")
        except BaseException:
            connection.close()
            raise
        self.run_id = _run_id(info)
        connection.breaker = self.breaker  # the handshake does not count as a probe
        return connection

    async def _end_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _log(self, error: Exception | None) -> None:
        """Log one line when Redis becomes unavailable, and one when it is available again."""
        if self._logged_available is (error is None):
            return
        self._logged_available = error is None
        if error is None:
            log(RedisAvailable())
        else:
            log(RedisUnavailable(reason=str(error)))


async def _ignoring_unavailable(answer: Awaitable[Any]) -> None:
    """Await a command that may fail harmlessly."""
    with suppress(RedisAway):
        await answer


def _run_id(info: Any) -> str:
    for line in info.decode(errors="replace").splitlines() if isinstance(info, bytes) else ():
        name, _, value = line.partition(":")
        if name == "run_id":
            return str(value)
    return ""
