"""Stream hints between processes, by Redis publish/subscribe. A lost hint only delays: every process polls the heads of
its streams."""

import asyncio
import random
import secrets
import struct
from collections.abc import Callable, Collection
from contextlib import suppress
from itertools import islice
from typing import Any, Protocol, cast

import hiredis

from adapters.redis.address import Address
from adapters.redis.client import CONNECT, PAUSES, Client
from adapters.redis.connection import RedisAway
from application.notifications.ports import StreamHint
from domain.shared import UserId

CHANNEL = b"waggle:1:hints"
AT_ONCE = 1_000
"""Users per message."""
PING_SECONDS = 5.0
SILENCE_SECONDS = 10.0
"""Longest time without an answer to a ping. A network that drops all packets gives no error, so a subscriber would wait
forever."""
_SENDER = 8
_KINDS = {StreamHint.STREAM: b"s", StreamHint.HOME: b"h"}
_HINTS = {kind: hint for hint, kind in _KINDS.items()}


class Listeners(Protocol):
    """The streams that are open in this process."""

    def wake(self, users: Collection[UserId], hint: StreamHint) -> None: ...
    def wake_all(self) -> None: ...


class RedisHints:
    """Sends hints to this process directly and to the others over one channel, in messages of up to AT_ONCE users."""

    def __init__(self, client: Client, address: Address, listeners: Listeners) -> None:
        self._client, self._address, self._listeners = client, address, listeners
        self._me = secrets.token_bytes(_SENDER)

    async def send_hint(self, users: Collection[UserId], hint: StreamHint) -> None:
        self._listeners.wake(users, hint)
        rest = iter(users)
        with suppress(RedisAway):
            while some := [*islice(rest, AT_ONCE)]:
                message = self._me + _KINDS[hint] + struct.pack(f">{len(some)}q", *some)
                await self._client.call("PUBLISH", CHANNEL, message)

    async def listen(self) -> None:
        """Keep a subscription until cancelled."""
        pause, longest = PAUSES
        while True:
            lost = asyncio.Event()
            with suppress(OSError, TimeoutError):
                subscription = await self._subscribed(lost)
                try:
                    await subscription.keep(lost)
                finally:
                    subscription.close()
                if subscription.confirmed:  # do not retry a refused one at once
                    pause = PAUSES[0]
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads reconnects
            pause = min(2 * pause, longest)

    async def _subscribed(self, lost: asyncio.Event) -> "_Subscription":
        address = self._address
        async with asyncio.timeout(CONNECT):
            _, subscription = await asyncio.get_running_loop().create_connection(
                lambda: _Subscription(self._receive_hint, self._listeners.wake_all, lost.set),
                address.host,
                address.port,
                ssl=address.tls,
            )
        if address.password:
            subscription.send("AUTH", *filter(None, (address.username, address.password)))
        subscription.send("SUBSCRIBE", CHANNEL)
        return subscription

    def _receive_hint(self, message: bytes) -> None:
        hint = _HINTS.get(message[_SENDER : _SENDER + 1])
        ids = message[_SENDER + 1 :]
        if hint is None or len(ids) % 8 or message.startswith(self._me):
            return  # sent by a newer version, or by this process
        users = [UserId(user) for user in struct.unpack(f">{len(ids) // 8}q", ids)]
        self._listeners.wake(users, hint)


class _Subscription(asyncio.Protocol):
    """A connection that only receives. Calls `subscribed` when it begins, since earlier messages are lost."""

    def __init__(
        self, heard: Callable[[bytes], None], subscribed: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        self._receive_hint, self._subscribed, self._lost = heard, subscribed, lost
        self._reader = hiredis.Reader()
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self.confirmed = False

    def send(self, *command: Any) -> None:
        if self._transport is not None:
            self._transport.write(hiredis.pack_command(command))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def keep(self, lost: asyncio.Event) -> None:
        """Returns when the connection is lost or silent."""
        while not lost.is_set() and self._loop.time() - self._heard_at < SILENCE_SECONDS:
            self.send("PING")
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except hiredis.ProtocolError:
            self.close()

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):  # wrong password, or no permission to subscribe
            self.close()
        elif isinstance(reply, list) and reply[0] == b"message":
            self._receive_hint(reply[2])
        elif isinstance(reply, list) and reply[0] == b"subscribe":
            self.confirmed = True
            self._subscribed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost()
