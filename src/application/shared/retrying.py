"""Retries for background work, while the store is unavailable."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from domain.shared import Unavailable

T = TypeVar("T")

TRIES = 8
PAUSE = 0.25
"""Seconds."""


async def with_retries(act: Callable[[], Awaitable[T]]) -> T:
    """The result of `act`, which is tried up to TRIES times while it raises Unavailable. A failed attempt must have no effect."""
    for _ in range(TRIES - 1):
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(PAUSE)
    return await act()
