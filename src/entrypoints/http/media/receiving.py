"""Large request bodies: received in chunks, at the pace of the client within limits, and written to a file.

The deadlines of other requests would cut off clients with slow networks, and collecting bodies would fill the memory. So
uploads have limits of their own: a minimum transfer rate, and a number of concurrent uploads.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litestar.exceptions import HTTPException

from application.shared.errors import Overloaded, StorageFull, full_disk
from domain.shared import TooMany, Unavailable
from entrypoints.http.errors import BodyMalformed

UNDER_WAY = 32
"""Concurrent uploads in this process: each holds a file, and a thread during the transfer to the storage."""
UNDER_WAY_OF_ONE = 8
"""Concurrent uploads of one client."""
PATIENCE = 10.0
"""Seconds of pause that a client may make, if its rate was at least..."""
BYTES_PER_SECOND = 32 * 1024
"""...this before."""
PIECE = 256 * 1024


class TooManyUploads(TooMany):
    """The client has reached its limit of concurrent uploads, and must wait until one of them ends."""

    code = "too_many_uploads"


class Uploads:
    """Counts the concurrent uploads."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Raises Overloaded and TooManyUploads."""
        if self._of.total() >= UNDER_WAY:
            raise Overloaded("too many uploads are in progress", retry_after=5)
        if self._of[client] >= UNDER_WAY_OF_ONE:
            raise TooManyUploads(
                f"{UNDER_WAY_OF_ONE} of your uploads are in progress: wait until one of them ends",
                retry_after=5,
            )
        self._of[client] += 1
        try:
            yield
        finally:
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]


async def pieces(request: Any, at_most: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Its only deadline is the pace of the client; the time that the caller spends between
    chunks does not count. Raises 413 before reading if the announced length exceeds `at_most`, or as soon as the body does;
    408 if the client is too slow; and BodyMalformed if it disconnects."""
    if (announced := request.headers.get("content-length", "")).isdigit() and int(announced) > at_most:
        raise HTTPException(status_code=413)
    request.scope["drop_deadline"]()
    budget, received = PATIENCE, 0
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(budget):
                message = await request.receive()
        except TimeoutError:
            raise HTTPException(status_code=408) from None
        if message["type"] == "http.disconnect":
            raise BodyMalformed("the body is incomplete")
        body: bytes = message.get("body", b"")
        received += len(body)
        if received > at_most:
            raise HTTPException(status_code=413)
        budget = min(PATIENCE, budget - (time.monotonic() - began) + len(body) / BYTES_PER_SECOND)
        if body:
            yield body
        if not message.get("more_body", False):
            return


class Spool:
    """A file that is written in large chunks outside of the event loop, and optionally hashed."""

    def __init__(self, path: Path, *, hashed: bool = False) -> None:
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256() if hashed else None
        self._gathered = bytearray()
        self._file = path.open("xb", buffering=0)

    async def write(self, data: bytes) -> None:
        self.size += len(data)
        self._gathered += data
        if len(self._gathered) >= PIECE:
            await self._flush()

    async def close(self) -> str:
        """Write the remaining bytes. Return the SHA-256 in hexadecimal digits, or an empty text if it is not hashed."""
        await self._flush()
        self._file.close()
        return self._hash.hexdigest() if self._hash else ""

    def drop(self) -> None:
        """Close the file without writing the remaining bytes. Idempotent."""
        self._file.close()

    async def _flush(self) -> None:
        data, self._gathered = self._gathered, bytearray()
        try:
            await asyncio.to_thread(self._append, data)
        except OSError as error:
            if full_disk(error):
                raise StorageFull("the disk of the server is full: the upload was not stored") from error
            raise Unavailable(f"the upload cannot be stored: {error.strerror}") from error

    def _append(self, data: bytearray) -> None:
        if self._hash:
            self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
