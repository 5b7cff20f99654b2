"""Spans of calls to an S3."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path

from adapters.storage.address import S3Address
from adapters.traces.spans import Attributes, Traces
from application.media.ports import Storage, StoredObject, UploadTicket


class TracedStorage:
    """A storage whose calls are spans of the trace that they belong to, named after the operations of S3."""

    def __init__(self, storage: Storage, address: S3Address, traces: Traces) -> None:
        self._storage, self._traces = storage, traces
        self._common: Attributes = {
            "rpc.system": "aws-api",
            "rpc.service": "S3",
            "server.address": address.host,
            "server.port": address.port,
        }

    def _call(self, operation: str) -> AbstractContextManager[None]:
        return self._traces.call(f"S3.{operation}", {**self._common, "rpc.method": operation})

    async def put(self, key: str, source: Path, content_type: str) -> None:
        with self._call("PutObject"):
            await self._storage.put(key, source, content_type)

    async def fetch(self, key: str, target: Path) -> None:
        with self._call("GetObject"):
            await self._storage.fetch(key, target)

    @asynccontextmanager
    async def read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        with self._call("GetObject"):
            async with self._storage.read(key, start, length) as pieces:
                yield pieces

    async def stat(self, key: str) -> StoredObject | None:
        with self._call("HeadObject"):
            return await self._storage.stat(key)

    async def delete(self, keys: Collection[str]) -> None:
        with self._call("DeleteObjects"):
            await self._storage.delete(keys)

    async def list(self, prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        with self._call("ListObjectsV2"):
            return await self._storage.list(prefix, after, limit)

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        return self._storage.ticket(key, size, content_type, until)

    async def check(self) -> None:
        await self._storage.check()

    async def created_at(self) -> datetime | None:
        return await self._storage.created_at()
