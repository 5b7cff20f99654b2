"""For work that nobody waits for: try again what the store could not do at the moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from domain.shared import Unavailable

T = TypeVar("T")

TRIES = 8
PAUSE = 0.25
"""Seconds."""


async def with_retries(act: Callable[[], Awaitable[T]]) -> T:
    """What `act` gives. It is tried up to TRIES times while it raises Unavailable, of which nothing is kept."""
    for _ in range(TRIES - 1):
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(PAUSE)
    return await act()
