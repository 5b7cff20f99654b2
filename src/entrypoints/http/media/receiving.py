"""Large bodies: taken in pieces, at the client's pace within limits, and kept in a file.

The deadlines of other requests would cut off whoever has a slow network, and memory would fill if bodies were
gathered. So these have their own: a client must keep up a rate, and only so many are served at once.
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
"""Uploads at once in this process: each holds a file, and on its way to the storage a thread."""
UNDER_WAY_OF_ONE = 8
"""Of them of one client."""
PATIENCE = 10.0
"""Seconds that a client may keep one waiting, if it was no slower before than..."""
BYTES_PER_SECOND = 32 * 1024
"""...this."""
PIECE = 256 * 1024


class TooManyUploads(TooMany):
    """So many uploads of one client are under way that another has to wait for the end of one of them."""

    code = "too_many_uploads"


class Uploads:
    """Counts those that are under way."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Raises Overloaded and TooManyUploads."""
        if self._of.total() >= UNDER_WAY:
            raise Overloaded("too many uploads are under way", retry_after=5)
        if self._of[client] >= UNDER_WAY_OF_ONE:
            raise TooManyUploads(
                f"{UNDER_WAY_OF_ONE} of your uploads are under way: wait for one of them", retry_after=5
            )
        self._of[client] += 1
        try:
            yield
        finally:
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]


async def pieces(request: Any, at_most: int) -> AsyncIterator[bytes]:
    """The body as it comes. It has no other deadline than the client's pace; what the one who asks for pieces does
    between them is not counted. Raises 413 before anything is read, if it is announced to be larger than `at_most`,
    or as soon as it is; 408 for a client that is too slow; and BodyMalformed if it goes away."""
    if (announced := request.headers.get("content-length", "")).isdigit() and int(announced) > at_most:
        raise HTTPException(status_code=413)
    request.scope["drop_deadline"]()
    patience, come = PATIENCE, 0
    while True:
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience):
                message = await request.receive()
        except TimeoutError:
            raise HTTPException(status_code=408) from None
        if message["type"] == "http.disconnect":
            raise BodyMalformed("the body ended before it was whole")
        body: bytes = message.get("body", b"")
        come += len(body)
        if come > at_most:
            raise HTTPException(status_code=413)
        patience = min(PATIENCE, patience - (time.monotonic() - began) + len(body) / BYTES_PER_SECOND)
        if body:
            yield body
        if not message.get("more_body", False):
            return


class Spool:
    """A file that is written in large pieces, off the event loop, and hashed on the way if that is wanted."""

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
        """What is missing is written; the SHA-256 in hexadecimal digits, or nothing."""
        await self._flush()
        self._file.close()
        return self._hash.hexdigest() if self._hash else ""

    def drop(self) -> None:
        """Close it, whatever it has. Harmless to repeat."""
        self._file.close()

    async def _flush(self) -> None:
        data, self._gathered = self._gathered, bytearray()
        try:
            await asyncio.to_thread(self._append, data)
        except OSError as error:
            if full_disk(error):
                raise StorageFull("the disk of the server is full: the upload was not taken") from error
            raise Unavailable(f"the upload cannot be kept: {error.strerror}") from error

    def _append(self, data: bytearray) -> None:
        if self._hash:
            self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
