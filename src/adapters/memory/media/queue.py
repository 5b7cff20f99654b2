"""The processing queue in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from adapters.memory.media.store import LEASES, MEDIA, in_order
from adapters.memory.store import Draft, Rows, Store
from application.media.ports import ProcessingJob
from domain.media import Media, MediaState


@dataclass(frozen=True, slots=True)
class _Lease:
    due: float = 0.0
    until: float = 0.0
    attempts: int = 0


_NONE = _Lease()


@dataclass(frozen=True, slots=True)
class MemoryProcessingQueue:
    store: Store
    monotonic: Callable[[], float]

    async def claim(self, lease: timedelta) -> ProcessingJob | None:
        now = self.monotonic()
        if not _due(self.store, now):
            return None
        async with self.store.begin() as rows:
            due = _due(rows, now)
            if not due:
                return None
            media = due[0]
            before: _Lease = rows.get(LEASES, media.id) or _NONE
            attempts = before.attempts + 1
            rows.put(LEASES, media.id, _Lease(before.due, now + lease.total_seconds(), attempts))
        return ProcessingJob(media, attempts)

    async def progress(self, job: ProcessingJob, percent: int, lease: timedelta) -> bool:
        async with self.store.begin() as rows:
            held = _mine(rows, job)
            if held is None:
                return False
            rows.put(LEASES, job.media.id, replace(held, until=self.monotonic() + lease.total_seconds()))
            rows.put(MEDIA, job.media.id, replace(rows.get(MEDIA, job.media.id), progress=percent))
        return True

    async def retry(self, job: ProcessingJob, after: timedelta, *, counted: bool = True) -> None:
        async with self.store.begin() as rows:
            held = _mine(rows, job)
            if held is not None:
                due = self.monotonic() + after.total_seconds()
                rows.put(LEASES, job.media.id, _Lease(due, 0.0, held.attempts - (not counted)))

    async def waiting(self) -> int:
        return len(_jobs(self.store))


def _jobs(rows: Rows) -> list[Media]:
    return [one for one in in_order(rows) if one.state is MediaState.PROCESSING and not one.deleted]


def _due(rows: Rows, now: float) -> list[Media]:
    def lease(media: Media) -> _Lease:
        held: _Lease = rows.get(LEASES, media.id) or _NONE
        return held

    due = [one for one in _jobs(rows) if lease(one).due <= now and lease(one).until <= now]
    return sorted(due, key=lambda one: lease(one).due)


def _mine(rows: Draft, job: ProcessingJob) -> _Lease | None:
    media: Media | None = rows.get(MEDIA, job.media.id)
    held: _Lease = rows.get(LEASES, job.media.id) or _NONE
    at_work = media is not None and media.state is MediaState.PROCESSING and not media.deleted
    return held if at_work and held.attempts == job.attempt and held.until else None
