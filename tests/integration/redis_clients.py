"""Helpers for tests against a Redis server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from adapters.redis.address import Address
from adapters.redis.client import Client
from adapters.redis.connection import RedisAway
from tests.integration.servers import Server, clear


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Client]:
    client = Client(Address.of(url))
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until_available(client: Client, seconds: float = 5.0) -> None:
    """Wait until Redis answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            await client.check()
        except RedisAway:
            assert time.monotonic() < end, "Redis does not come back"
            await asyncio.sleep(0.01)
        else:
            return


@asynccontextmanager
async def on_empty(server: Server) -> AsyncIterator[Client]:
    """A client of the server, which has lost all its keys."""
    clear(server)
    async with running(server.url) as client:
        await until_available(client)
        yield client


async def error_message(client: Client, *command: object) -> str:
    with pytest.raises(RedisAway) as raised:
        await client.call(*command)
    return str(raised.value)
