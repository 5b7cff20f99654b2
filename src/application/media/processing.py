"""Processing: making the renditions of an upload."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
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
from application.shared.log import log
from application.shared.log_events import MediaWaits
from application.shared.ports import Clock, OpenTx
from domain.dataclasses import dataclass
from domain.media import EXTENSIONS, FailureReason, Media, MediaNotFound, MediaState, ProcessingResult
from domain.shared import Unavailable

LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 5
"""If so many attempts did not end, the upload killed each process that tried."""
STORAGE_AWAY = timedelta(seconds=5), timedelta(minutes=1)
"""The first and the longest pause between retries while the storage is unreachable. Media never fails for that reason."""
UPLOAD_MISSING = timedelta(seconds=5), timedelta(minutes=15)
"""The same pauses while a storage that was created after the upload lacks it."""
LOST_AFTER = timedelta(hours=8)
"""Until this age the upload may come back, once the operator connects the right disk."""


class _UploadMissing(Exception):
    """The upload is missing, and so is the storage that it was put into."""


class _ProcessorFailed(Exception):
    """The processor could not run. This counts as an attempt, because the upload may still be the cause."""


@dataclass(frozen=True, slots=True)
class ProcessMedia:
    """Process one job after the other, each at least once: a repeated attempt replaces the objects with the same ones, and
    only the holder of the lease publishes the result."""

    open_tx: OpenTx[MediaTx]
    jobs: ProcessingQueue
    storage: Storage
    processor: Processor
    folder: OpenFolder
    now: Clock
    wake: asyncio.Event
    """Set when there may be a job. Jobs that other processes queued are found by polling."""

    async def run(self, poll: timedelta = timedelta(seconds=1)) -> None:
        """Process jobs until cancelled. Raises what the store raises; the caller restarts it."""
        while True:
            self.wake.clear()
            if not await self():
                with suppress(TimeoutError):
                    async with asyncio.timeout(poll.total_seconds()):
                        await self.wake.wait()

    async def __call__(self) -> bool:
        """Process one due job. Return False if there was none."""
        job = await self.jobs.claim(LEASE)
        if job is None:
            return False
        if job.attempt > MAX_ATTEMPTS:
            await self._settle(job.media, FailureReason.TOO_COSTLY)
        else:
            await self._attempt(job)
        # Last, because a process that is killed before this starts again. `ReconcileMedia` finds what stays behind.
        with suppress(Unavailable):
            await self._tidy(job.media)
        return True

    async def _attempt(self, job: ProcessingJob) -> None:
        try:
            lease = _Lease(self.jobs, job)
            async with lease.held():
                await self._work(job, lease.progress)
        except Unavailable as error:
            log(MediaWaits(media_id=job.media.id, reason=str(error)))
            await self.jobs.retry(job, self._pause(job.media, *STORAGE_AWAY), counted=False)
        except _UploadMissing:
            log(MediaWaits(media_id=job.media.id, reason="the storage is new and lacks its upload"))
            await self.jobs.retry(job, self._pause(job.media, *UPLOAD_MISSING), counted=False)
        except _ProcessorFailed as error:
            log(MediaWaits(media_id=job.media.id, reason=str(error.__cause__)))
            await self.jobs.retry(job, timedelta(seconds=2.0**job.attempt))
        except asyncio.CancelledError:
            try:  # so that the next process need not wait for the lease to end
                await asyncio.shield(self.jobs.retry(job, timedelta(), counted=False))
            except Exception as error:  # noqa: BLE001 - the cancellation is more important
                log(MediaWaits(media_id=job.media.id, reason=f"its lease was not released: {error}"))
            raise

    async def _work(self, job: ProcessingJob, progress: Callable[[int], None]) -> None:
        media = job.media
        async with self.folder() as here:
            upload, renditions = here / "upload", here / "renditions"
            renditions.mkdir()
            try:
                await self.storage.fetch(media.upload, upload)
                result = await self._process(upload, renditions, progress)
            except NoSuchObject:
                created_at = await self.storage.created_at()
                is_new = created_at is None or created_at > media.created_at
                if is_new and self._age(media) < LOST_AFTER:
                    raise _UploadMissing from None
                await self._settle(media, FailureReason.LOST)
            except UploadRejected as rejected:
                await self._settle(media, rejected.reason)
            else:
                await self._store(media, result, renditions)
                await self._settle(media, result)

    def _pause(self, media: Media, least: timedelta, most: timedelta) -> timedelta:
        """The pause grows with the age of the media, from `least` to `most`."""
        return min(most, max(least, self._age(media) / 8))

    def _age(self, media: Media) -> timedelta:
        return self.now() - media.created_at

    async def _process(self, upload: Path, into: Path, progress: Callable[[int], None]) -> ProcessingResult:
        try:
            return await self.processor(upload, into, progress)
        except Unavailable as error:
            raise _ProcessorFailed from error

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
        """Remove the upload and all other unneeded objects: a failed attempt may have stored some, and a deletion in the
        meantime may have listed the objects before the last one was stored."""
        async with self.open_tx() as tx:
            try:
                now = await tx.media.get(media.id)
            except MediaNotFound:
                now = replace(media, deleted=True)
        if now.state is MediaState.PROCESSING and not now.deleted:
            return  # it is to be retried, or another process has the lease
        needed = set() if now.deleted else object_keys(now)
        stored_keys = {stored.key for stored in await self.storage.list(media.prefix)}
        await self.storage.delete(stored_keys - needed)


class _Lease:
    """Extends the lease of a job while a block works, and reports its progress. The block is cancelled, and nothing is
    raised, when the lease is lost."""

    def __init__(self, jobs: ProcessingQueue, job: ProcessingJob) -> None:
        self._jobs, self._job = jobs, job
        self._percent = 0
        self._lost = False

    def progress(self, percent: int) -> None:
        self._percent = percent

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        worker = asyncio.current_task()
        keeper = asyncio.create_task(self._extend(worker))
        try:
            yield
        except asyncio.CancelledError:
            if not self._lost or worker is None or worker.uncancel() > 0:
                raise
        finally:
            keeper.cancel()
            await asyncio.wait([keeper])

    async def _extend(self, worker: "asyncio.Task[None] | None") -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 10)
            with suppress(Unavailable):
                if not await self._jobs.progress(self._job, self._percent, LEASE):
                    self._lost = True
                    if worker is not None:
                        worker.cancel()
                    return
