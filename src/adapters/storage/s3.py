"""Objects in a bucket of an S3-compatible server, which all processes and machines can reach."""

import asyncio
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
from urllib3.exceptions import HTTPError

from adapters.breaker import Breaker
from adapters.log_events import BucketCreated, BucketPublic, StorageAvailable, StorageUnavailable
from adapters.storage.address import S3Address
from adapters.storage.calling import BUDGET, NOTHING, BucketMissing, Calls, client, connections
from adapters.storage.keys import checked, is_key
from adapters.storage.presigning import presigned_put
from application.media.ports import NoSuchObject, StoredObject, UploadTicket
from application.shared.errors import StorageFull, full_disk
from application.shared.log import log
from domain.shared import Unavailable

READ = 256 * 1024
PART = 8 * 1024 * 1024
"""Larger files are uploaded in parts of this size. One part at a time is in memory."""
BATCH = 100
"""Objects per delete request. S3 allows a thousand, but some servers then exceed the timeout."""
PUTS = 4
"""The limit of concurrent uploads."""
SLOWEST = 64 * 1024
"""Bytes per second. A slower transfer is cancelled."""
CHECK_SECONDS = 5.0
MARKER = ".waggle"
"""An object whose time is when the bucket was prepared. It is not a valid key, so it never appears in a list."""
PROBE = "probe/"
"""The prefix of a test object, which an anonymous request tries to read."""
_BAD_RANGE = frozenset({"InvalidRange", "InvalidArgument"})
"""The codes for a range that begins after the end; some servers also send them for a range that ends after it."""


class S3Storage:
    """The bucket is private, and is created if it is missing. Every object is complete or absent, as S3 guarantees."""

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
        self._monotonic, self._checked_at, self._problem = monotonic, -1.0, ""
        self._ready = False
        self._was_available: bool | None = None

    @property
    def breaker(self) -> Breaker:
        return self._calls.breaker

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
        """Raises Unavailable if the object is missing. A multipart upload may be answered with status 200 and then fail. The
        SDK takes that for a success, and only the missing ETag shows it."""
        try:
            found = self._client.stat_object(self._bucket, key).size
        except S3Error as error:
            if error.code not in NOTHING:
                raise
            found = None
        if found != size:
            raise Unavailable("the media storage did not complete an upload", retry_after=5)

    async def fetch(self, key: str, target: Path) -> None:
        async with self.read(key) as pieces:
            try:
                with target.open("wb") as file:
                    async for piece in pieces:
                        await asyncio.to_thread(file.write, piece)
            except OSError as error:
                if full_disk(error):
                    raise StorageFull("the disk for temporary files is full") from error
                # This is the local disk: errors of the network are already Unavailable.
                raise Unavailable(f"the local disk cannot be used: {error.strerror}") from error

    @asynccontextmanager
    async def read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if length == 0:  # a range cannot express this
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
            await self._check_bucket()  # without the bucket, it is unknown whether the object exists
            raise
        try:
            yield self._pieces(response)
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    async def _pieces(self, response: Any) -> AsyncIterator[bytes]:
        """Yield the chunks of the answer; none if it is None."""
        while response is not None and (
            piece := await self._calls(lambda: response.read(READ), started=True)
        ):
            yield piece

    async def stat(self, key: str) -> StoredObject | None:
        checked(key)
        try:
            found = await self._calls(lambda: self._client.stat_object(self._bucket, key))
        except NoSuchObject:
            await self._check_bucket()  # HEAD does not distinguish a missing object from a missing bucket
            return None
        return _stored(key, found)

    async def delete(self, keys: Collection[str]) -> None:
        if not keys:
            return

        wanted = [DeleteObject(checked(key)) for key in keys]

        def work(batch: Sequence[DeleteObject]) -> None:
            failed = [error.code for error in self._client.remove_objects(self._bucket, batch)]
            if failed:
                raise Unavailable(f"the media storage did not delete {len(failed)} objects: {failed[0]}")

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
        """Raises Unavailable. All callers together cause at most one request per second."""
        if self._monotonic() - self._checked_at >= 1:
            self._checked_at = self._monotonic()
            try:
                await self._check_bucket()
            except Unavailable as error:
                self._problem = str(error)
        if self._problem:
            raise Unavailable(self._problem, retry_after=2)

    async def created_at(self) -> datetime | None:
        return await self._check_bucket()

    async def _check_bucket(self) -> datetime | None:
        """Return when the bucket was prepared; None if it is not prepared yet. Raises BucketMissing."""

        def work() -> datetime | None:
            try:
                return self._client.stat_object(self._bucket, MARKER).last_modified
            except S3Error as error:
                if error.code not in NOTHING:
                    raise
            if not self._client.bucket_exists(self._bucket):
                raise BucketMissing("the media bucket is missing", retry_after=5)
            return None

        try:
            made = await self._calls(work)
        except BucketMissing:
            self._ready = False
            raise
        self._ready = self._ready and made is not None
        self._problem = ""
        return made

    # --- Availability -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Create the bucket as soon as the server is available, check both regularly, and create the bucket again if it is
        missing. Runs until cancelled."""
        try:
            while True:
                try:
                    if self._ready:
                        with suppress(BucketMissing):
                            await self._check_bucket()
                    if not self._ready:
                        await self.prepare()
                except Unavailable as error:
                    self._log(error)
                else:
                    self._log(None)
                await asyncio.sleep(CHECK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - only jitter between processes
        finally:
            self.close()

    async def prepare(self) -> None:
        """Create the bucket if it is missing, put the marker, and log a warning if the bucket is publicly readable. Raises
        Unavailable."""

        def work() -> None:
            if not self._client.bucket_exists(self._bucket):
                try:
                    self._client.make_bucket(self._bucket, location=self._address.region)
                except S3Error as error:  # another process was faster
                    if error.code != "BucketAlreadyOwnedByYou":
                        raise
                else:
                    log(BucketCreated(bucket=self._bucket))
            try:
                self._client.stat_object(self._bucket, MARKER)
            except S3Error as error:
                if error.code not in NOTHING:
                    raise
                self._client.put_object(self._bucket, MARKER, BytesIO(b"waggle"), 6)

        await self._calls(work, 3 * BUDGET)
        self._ready = True
        if await self.is_exposed():
            log(BucketPublic(bucket=self._bucket))

    async def is_exposed(self) -> bool:
        """Return whether an anonymous client can list the bucket or read an object. Raises Unavailable."""
        anonymous = client(self._address, self._pools, anonymous=True)
        probe = PROBE + secrets.token_hex(8)

        def succeeds(attempt: Callable[[], object]) -> bool:
            try:
                attempt()
            except S3Error:
                return False
            return True

        def work() -> bool:
            self._client.put_object(self._bucket, probe, BytesIO(b"bee"), 3)
            try:
                return succeeds(lambda: anonymous.stat_object(self._bucket, probe)) or succeeds(
                    lambda: next(anonymous.list_objects(self._bucket), None)
                )
            finally:
                self._client.remove_object(self._bucket, probe)

        return await self._calls(work, 4 * BUDGET)

    def close(self) -> None:
        self._calls.close()
        with suppress(OSError, HTTPError):  # connections in use are closed by their threads
            self._pools.clear()

    def _log(self, error: Exception | None) -> None:
        """Log one line when the storage becomes unavailable, and one when it is available again."""
        if self._was_available is (error is None):
            return
        self._was_available = error is None
        if error is None:
            log(StorageAvailable())
        else:
            log(StorageUnavailable(reason=str(error)))


def _stored(key: str, found: Any) -> StoredObject:
    """Convert the result of a stat or an entry of a list of the SDK."""
    return StoredObject(key, found.size, found.last_modified)
