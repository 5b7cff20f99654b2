"""Runs Waggle within this process, over the stores of a stack, to measure its parts."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.processes import SERVER_CORE
from bench.stack import Stack
from entrypoints.container import Container, build
from entrypoints.runtime import running
from entrypoints.settings import Settings


@asynccontextmanager
async def inside(stores: Stack) -> AsyncIterator[tuple[Container, Settings]]:
    os.sched_setaffinity(0, {SERVER_CORE})
    settings = Settings.read(stores.env)
    container = build(settings)
    try:
        async with running(container, settings):
            yield container, settings
    finally:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
