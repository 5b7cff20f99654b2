"""Objects in a bucket of a server that speaks S3, where all processes and machines reach them."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from adapters.storage.address import S3Address
from adapters.storage.calling import BUDGET, NOTHING, BucketMissing, Calls, client, connections
from adapters.storage.keys import checked, is_key
from adapters.storage.presigning import presigned_put
from application.media.ports import NoSuchObject, StoredObject, UploadTicket
from application.shared.errors import StorageFull, full_disk
from domain.shared import Unavailable

log = logging.getLogger(__name__)

READ = 256 * 1024
PART = 8 * 1024 * 1024
"""Larger files are put in parts of so many bytes, each of which is in memory once while it is sent."""
BATCH = 100
"""Objects that are deleted by one request. A thousand may be, but take some servers longer than we wait."""
PUTS = 4
"""Files being put at a time."""
SLOWEST = 64 * 1024
"""Bytes a second, below which a transfer is given up."""
LOOK_SECONDS = 5.0
MARKER = ".waggle"
"""An object that says since when the bucket is there. No key is called so, and no list has it."""
PROBE = "probe/"
"""What begins so is nothing of ours: it is looked for by whoever has no key, and deleted."""
_BAD_RANGE = frozenset({"InvalidRange", "InvalidArgument"})
"""A range that begins behind the end; for some servers one that goes beyond it, too."""


class S3Storage:
    """The bucket is private; it is made when it is missing. Every object is whole or not there: that is what S3 says of
    itself."""

    def __init__(
        self,
        address: S3Address,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._bucket, self._now = address, address.bucket, now
        self._pools = connections(tls=address.tls)
        self._client = client(address, self._pools)
        self._calls = Calls(monotonic)
        self._puts = asyncio.Semaphore(PUTS)
        self._monotonic, self._looked_at, self._problem = monotonic, -1.0, ""
        self._ready = False
        self._told: bool | None = None

    async def put(self, key: str, source: Path, content_type: str) -> None:
        checked(key)
        size = (await asyncio.to_thread(source.stat)).st_size

        def work() -> None:
            with source.open("rb") as file:
                put = self._client.put_object(
                    self._bucket,
                    key,
                    file,
                    size,
                    content_type,
                    part_size=PART,
                    num_parallel_uploads=1,
                )
            if not put.etag:
                self._confirm(key, size)

        async with self._puts:
            await self._calls(work, BUDGET + size / SLOWEST)

    def _confirm(self, key: str, size: int) -> None:
        """Raises Unavailable if the object is not there. A multipart upload may be answered with status 200 and then
        fail; the SDK takes that for a success, and only the missing etag tells."""
        try:
            found = self._client.stat_object(self._bucket, key).size
        except S3Error as error:
            if error.code not in NOTHING:
                raise
            found = None
        if found != size:
            raise Unavailable("the storage of media did not complete an upload", retry_after=5)

    async def fetch(self, key: str, target: Path) -> None:
        async with self.read(key) as pieces:
            try:
                with target.open("wb") as file:
                    async for piece in pieces:
                        await asyncio.to_thread(file.write, piece)
            except OSError as error:
                if full_disk(error):
                    raise StorageFull("the disk for temporary files is full") from error
                # of our own disk: what the network does wrong is Unavailable already
                raise Unavailable(f"the local disk cannot be used: {error.strerror}") from error

    @asynccontextmanager
    async def read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if length == 0:  # which no range can say
            if await self.stat(key) is None:
                raise NoSuchObject(key)
            yield self._pieces(None)
            return

        checked(key)

        def work() -> Any:
            try:
                return self._client.get_object(self._bucket, key, start, length or 0)
            except S3Error as error:
                if error.code not in _BAD_RANGE:
                    raise
                size = self._client.stat_object(self._bucket, key).size or 0
                if start >= size:
                    return None
                if start + (length or 0) <= size:
                    raise
                return self._client.get_object(self._bucket, key, start, size - start)

        try:
            response = await self._calls(work)
        except NoSuchObject:
            await self._look()  # where there is no bucket, nothing is known of the object
            raise
        try:
            yield self._pieces(response)
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    async def _pieces(self, response: Any) -> AsyncIterator[bytes]:
        """Of nothing there are none."""
        while response is not None and (piece := await self._calls(lambda: response.read(READ), begun=True)):
            yield piece

    async def stat(self, key: str) -> StoredObject | None:
        checked(key)
        try:
            found = await self._calls(lambda: self._client.stat_object(self._bucket, key))
        except NoSuchObject:
            await self._look()  # an answer to HEAD does not tell a missing object from a missing bucket
            return None
        return _stored(key, found)

    async def delete(self, keys: Collection[str]) -> None:
        if not keys:
            return

        wanted = [DeleteObject(checked(key)) for key in keys]

        def work(batch: Sequence[DeleteObject]) -> None:
            failed = [error.code for error in self._client.remove_objects(self._bucket, batch)]
            if failed:
                raise Unavailable(f"the storage of media did not delete {len(failed)} objects: {failed[0]}")

        for at in range(0, len(wanted), BATCH):
            await self._calls(partial(work, wanted[at : at + BATCH]))

    async def list(self, prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        def work() -> Sequence[StoredObject]:
            found = self._client.list_objects(
                self._bucket, prefix=prefix, recursive=True, start_after=after or None
            )
            ours = (one for one in found if is_key(one.object_name or ""))
            return [_stored(one.object_name or "", one) for one in islice(ours, limit)]

        return await self._calls(work, BUDGET * (1 + limit // 1_000))

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        now = self._now()
        seconds = max(1, int((until - now).total_seconds()))
        url = presigned_put(self._address, checked(key), headers, now, seconds)
        return UploadTicket("PUT", url, headers, until)

    async def check(self) -> None:
        """Asks the server at most once a second, whoever asks this."""
        if self._monotonic() - self._looked_at >= 1:
            self._looked_at = self._monotonic()
            try:
                await self._look()
            except Unavailable as error:
                self._problem = str(error)
        if self._problem:
            raise Unavailable(self._problem, retry_after=2)

    async def made_at(self) -> datetime | None:
        return await self._look()

    async def _look(self) -> datetime | None:
        """When the bucket was prepared; None if that is still to be done. Raises BucketMissing."""

        def work() -> datetime | None:
            try:
                return self._client.stat_object(self._bucket, MARKER).last_modified
            except S3Error as error:
                if error.code not in NOTHING:
                    raise
            if not self._client.bucket_exists(self._bucket):
                raise BucketMissing("the bucket of media is missing", retry_after=5)
            return None

        try:
            made = await self._calls(work)
        except BucketMissing:
            self._ready = False
            raise
        self._ready = self._ready and made is not None
        self._problem = ""
        return made

    # --- Being there --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Make the bucket as soon as the server is there, look now and then whether both still are, and make the bucket
        again if it is gone; until cancelled."""
        try:
            while True:
                try:
                    if self._ready:
                        with suppress(BucketMissing):
                            await self._look()
                    if not self._ready:
                        await self.prepare()
                except Unavailable as error:
                    self._tell(error)
                else:
                    self._tell(None)
                await asyncio.sleep(LOOK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - only apart from each other
        finally:
            self.close()

    async def prepare(self) -> None:
        """Make the bucket if it is missing, mark when that was, and say loudly if anybody may read it. Raises
        Unavailable."""

        def work() -> None:
            if not self._client.bucket_exists(self._bucket):
                try:
                    self._client.make_bucket(self._bucket, location=self._address.region)
                except S3Error as error:  # another process was faster
                    if error.code != "BucketAlreadyOwnedByYou":
                        raise
                else:
                    log.warning("the bucket %s was missing, and is made", self._bucket)
            try:
                self._client.stat_object(self._bucket, MARKER)
            except S3Error as error:
                if error.code not in NOTHING:
                    raise
                self._client.put_object(self._bucket, MARKER, BytesIO(b"waggle"), 6)

        await self._calls(work, 3 * BUDGET)
        self._ready = True
        if await self.is_exposed():
            log.warning(
                "anybody can read the bucket %s: media of private accounts is open to whoever learns its address. "
                "Take away what allows anonymous access",
                self._bucket,
            )

    async def is_exposed(self) -> bool:
        """Whether who has no key may list the bucket or read an object of it. Raises Unavailable."""
        anybody = client(self._address, self._pools, anonymous=True)
        probe = PROBE + secrets.token_hex(8)

        def may(attempt: Callable[[], object]) -> bool:
            try:
                attempt()
            except S3Error:
                return False
            return True

        def work() -> bool:
            self._client.put_object(self._bucket, probe, BytesIO(b"bee"), 3)
            try:
                return may(lambda: anybody.stat_object(self._bucket, probe)) or may(
                    lambda: next(anybody.list_objects(self._bucket), None)
                )
            finally:
                self._client.remove_object(self._bucket, probe)

        return await self._calls(work, 4 * BUDGET)

    def close(self) -> None:
        self._calls.close()
        with suppress(Exception):  # connections in use elsewhere end by themselves
            self._pools.clear()

    def _tell(self, error: Exception | None) -> None:
        """One line when it goes, one when it comes back."""
        if self._told is (error is None):
            return
        self._told = error is None
        if error is None:
            log.info("the storage of media is there")
        else:
            log.warning("the storage of media is away: %s; going on without it", error)


def _stored(key: str, found: Any) -> StoredObject:
    """From what the SDK gives for a stat and in a list."""
    return StoredObject(key, found.size, found.last_modified)
