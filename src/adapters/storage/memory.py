"""Objects in memory: for tests and for client developers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from adapters.storage.keys import checked
from adapters.storage.signing import TicketSigner
from application.media.ports import NoSuchObject, StoredObject, UploadTicket

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class MemoryStorage:
    uploads: TicketSigner
    now: Callable[[], datetime]
    _objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    async def put(self, key: str, source: Path, content_type: str) -> None:
        del content_type  # the row has it
        self._objects[checked(key)] = await asyncio.to_thread(source.read_bytes), self.now()

    async def fetch(self, key: str, target: Path) -> None:
        await asyncio.to_thread(target.write_bytes, self._found(key))

    @asynccontextmanager
    async def read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        found = self._found(key)
        end = len(found) if length is None else min(len(found), start + length)

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(start, end, PIECE):
                yield found[at : min(at + PIECE, end)]

        yield pieces()

    async def stat(self, key: str) -> StoredObject | None:
        found = self._objects.get(checked(key))
        return found and StoredObject(key, len(found[0]), found[1])

    async def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            self._objects.pop(checked(key), None)

    async def list(self, prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        ordered = sorted(self._objects.items())
        found = [StoredObject(key, len(data), at) for key, (data, at) in ordered if key.startswith(prefix)]
        return [one for one in found if one.key > after][:limit]

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        return self.uploads.ticket(checked(key), size, content_type, until)

    async def check(self) -> None:
        """It is always available."""

    async def created_at(self) -> datetime:
        return datetime.min.replace(tzinfo=UTC)

    def _found(self, key: str) -> bytes:
        found = self._objects.get(checked(key))
        if found is None:
            raise NoSuchObject(key)
        return found[0]
