"""Making of an upload what is shown of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from application.media.ports import (
    MediaTx,
    NoSuchObject,
    OpenFolder,
    ProcessingJob,
    ProcessingQueue,
    Processor,
    Storage,
    UploadRejected,
)
from application.media.removing import object_keys
from application.shared.events import AttachedMediaChanged, MediaSettled
from application.shared.ports import Clock, OpenTx
from domain.media import EXTENSIONS, FailureReason, Media, MediaNotFound, MediaState, ProcessingResult
from domain.shared import Unavailable

LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 5
"""After so many that did not come to an end, whoever tried was killed by it."""
STORAGE_AWAY = timedelta(seconds=5), timedelta(minutes=1)
"""The first and the longest pause until the storage is asked again. However long it is away, no media fails for that."""
UPLOAD_MISSING = timedelta(seconds=5), timedelta(minutes=15)
"""The same, where the storage was made anew since and lacks the upload."""
LOST_AFTER = timedelta(hours=8)
"""Until then the upload may come back, when whoever runs the storage finds the right disk."""

log = logging.getLogger(__name__)


class _UploadMissing(Exception):
    """The upload is not there, and neither is the storage that it was put into."""


class _NotRun(Exception):
    """The processor could not run. It counts as an attempt: it may be the upload's fault after all."""


@dataclass(frozen=True, slots=True)
class ProcessMedia:
    """Takes one job after the other. At least once: objects are replaced by the same ones, and only who still has the
    lease tells that it ended."""

    open_tx: OpenTx[MediaTx]
    jobs: ProcessingQueue
    storage: Storage
    processor: Processor
    folder: OpenFolder
    now: Clock
    wake: asyncio.Event
    """Set when there may be something to do; jobs of other processes are found by looking."""

    async def run(self, poll: timedelta = timedelta(seconds=1)) -> None:
        """Process until cancelled. Raises what the store raises; the caller restarts it."""
        while True:
            self.wake.clear()
            if not await self():
                with suppress(TimeoutError):
                    async with asyncio.timeout(poll.total_seconds()):
                        await self.wake.wait()

    async def __call__(self) -> bool:
        """Process what is due, one; whether there was something."""
        job = await self.jobs.claim(LEASE)
        if job is None:
            return False
        if job.attempt > MAX_ATTEMPTS:
            await self._settle(job.media, FailureReason.TOO_COSTLY)
        else:
            await self._attempt(job)
        # Only now: whoever is killed before begins anew. What stays behind the reconciling sweep finds.
        with suppress(Unavailable):
            await self._tidy(job.media)
        return True

    async def _attempt(self, job: ProcessingJob) -> None:
        try:
            async with self._kept(job) as percent:
                await self._work(job, percent)
        except Unavailable as error:
            log.warning("media %s waits: %s", job.media.id, error)
            await self.jobs.retry(job, self._pause(job.media, *STORAGE_AWAY), counted=False)
        except _UploadMissing:
            log.warning("media %s waits: the storage was made anew and lacks its upload", job.media.id)
            await self.jobs.retry(job, self._pause(job.media, *UPLOAD_MISSING), counted=False)
        except _NotRun as error:
            log.warning("media %s waits: %s", job.media.id, error.__cause__)
            await self.jobs.retry(job, timedelta(seconds=2.0**job.attempt))
        except asyncio.CancelledError:
            with suppress(Exception):  # the next process need not wait
                await asyncio.shield(self.jobs.retry(job, timedelta(), counted=False))
            raise

    async def _work(self, job: ProcessingJob, percent: list[int]) -> None:
        media = job.media
        async with self.folder() as here:
            upload, renditions = here / "upload", here / "renditions"
            renditions.mkdir()
            try:
                await self.storage.fetch(media.upload, upload)
                result = await self._process(upload, renditions, percent)
            except NoSuchObject:
                made_at = await self.storage.made_at()
                is_new = made_at is None or made_at > media.created_at
                if is_new and self._age(media) < LOST_AFTER:
                    raise _UploadMissing from None
                await self._settle(media, FailureReason.LOST)
            except UploadRejected as rejected:
                await self._settle(media, rejected.reason)
            else:
                await self._store(media, result, renditions)
                await self._settle(media, result)

    def _pause(self, media: Media, least: timedelta, most: timedelta) -> timedelta:
        """The longer it has waited, the longer it may wait."""
        return min(most, max(least, self._age(media) / 8))

    def _age(self, media: Media) -> timedelta:
        return self.now() - media.created_at

    async def _process(self, upload: Path, into: Path, percent: list[int]) -> ProcessingResult:
        try:
            return await self.processor(upload, into, percent.append)
        except Unavailable as error:
            raise _NotRun from error

    async def _store(self, media: Media, result: ProcessingResult, folder: Path) -> None:
        for rendition in result.renditions:
            file = folder / f"{rendition.name}.{EXTENSIONS[rendition.type]}"
            await self.storage.put(media.key(rendition), file, rendition.type)

    async def _settle(self, media: Media, outcome: ProcessingResult | FailureReason) -> None:
        async with self.open_tx() as tx:
            try:
                now = await tx.media.get(media.id)
            except MediaNotFound:
                return
            if now.deleted or now.state is not MediaState.PROCESSING:
                return
            now = now.ready(outcome) if isinstance(outcome, ProcessingResult) else now.failed(outcome)
            await tx.media.save(now)
            await tx.outbox.add(MediaSettled(media_id=now.id, owner_id=now.owner, reason=now.reason))
            if now.post is not None:
                await tx.outbox.add(
                    AttachedMediaChanged(
                        media_id=now.id, post_id=now.post, owner_id=now.owner, version=now.version
                    )
                )

    async def _tidy(self, media: Media) -> None:
        """Remove the upload, and what else nobody will ask for: an attempt that failed may have stored something, and
        whoever deleted the media meanwhile may have listed its objects before the last of them was there."""
        async with self.open_tx() as tx:
            try:
                now = await tx.media.get(media.id)
            except MediaNotFound:
                now = replace(media, deleted=True)
        if now.state is MediaState.PROCESSING and not now.deleted:
            return  # it waits, or somebody else has the lease
        wanted = set() if now.deleted else object_keys(now)
        there = {stored.key for stored in await self.storage.list(media.prefix)}
        await self.storage.delete(there - wanted)

    @asynccontextmanager
    async def _kept(self, job: ProcessingJob) -> AsyncIterator[list[int]]:
        """Keep the lease while the block works; it is cancelled, and nothing raised, when the lease is lost. What the
        block appends to the list is told as progress."""
        percent = [0]
        lost = False
        worker = asyncio.current_task()

        async def keep() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 10)
                with suppress(Unavailable):
                    if not await self.jobs.progress(job, percent[-1], LEASE):
                        lost = True
                        if worker is not None:
                            worker.cancel()
                        return

        keeper = asyncio.create_task(keep())
        try:
            yield percent
        except asyncio.CancelledError:
            if not lost or worker is None or worker.uncancel() > 0:
                raise
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])
