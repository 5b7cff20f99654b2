"""Measured ports of media: its storage and its processor."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapters.metered.meters import Meters
from application.media.ports import (
    NoSuchObject,
    Processor,
    Storage,
    StoredObject,
    UploadRejected,
    UploadTicket,
)
from domain.media import ProcessingResult


@dataclass(frozen=True, slots=True)
class MeteredStorage:
    """Of a read, the time until the object is open is measured; its bytes go at the pace of the client."""

    storage: Storage
    meters: Meters

    async def put(self, key: str, source: Path, content_type: str) -> None:
        with self._timed("put"):
            await self.storage.put(key, source, content_type)

    async def fetch(self, key: str, target: Path) -> None:
        with self._timed("fetch"):
            await self.storage.fetch(key, target)

    @asynccontextmanager
    async def read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with AsyncExitStack() as stack:
            with self._timed("read"):
                pieces = await stack.enter_async_context(self.storage.read(key, start, length))
            yield pieces

    async def stat(self, key: str) -> StoredObject | None:
        with self._timed("stat"):
            return await self.storage.stat(key)

    async def delete(self, keys: Collection[str]) -> None:
        with self._timed("delete"):
            await self.storage.delete(keys)

    async def list(self, prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        with self._timed("list"):
            return await self.storage.list(prefix, after, limit)

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        return self.storage.ticket(key, size, content_type, until)

    async def check(self) -> None:
        with self._timed("check"):
            await self.storage.check()

    async def created_at(self) -> datetime | None:
        with self._timed("check"):
            return await self.storage.created_at()

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        began, outcome = time.perf_counter(), "error"
        try:
            yield
            outcome = "ok"
        except NoSuchObject:
            outcome = "missing"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self.meters.storage[operation, outcome].observe(time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class MeteredProcessor:
    processor: Processor
    meters: Meters

    async def __call__(self, upload: Path, into: Path, progress: Callable[[int], None]) -> ProcessingResult:
        began, outcome = time.perf_counter(), "failed"
        try:
            result = await self.processor(upload, into, progress)
            outcome = "ready"
        except UploadRejected:
            outcome = "rejected"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self.meters.media[(outcome,)].observe(time.perf_counter() - began)
        return result
