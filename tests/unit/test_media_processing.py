"""Processing jobs: results, retries, leases and missing uploads."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from application.media import processing
from application.media.ports import UploadRejected
from application.media.processing import MAX_ATTEMPTS
from application.shared.events import (
    MediaSettled,
)
from domain.media import (
    FailureReason,
    MediaState,
)
from domain.shared import Unavailable
from tests.port_contracts.stores import BEGINNING
from tests.unit.media_app import (
    ANN,
    KilledError,
    MediaApp,
    raising,
)

# --- Processing -------------------------------------------------------------------------------------


async def test_a_rejected_upload_fails_with_its_reason_and_leaves_no_object(media_app: MediaApp) -> None:
    media_app.processes = raising(UploadRejected(FailureReason.DAMAGED))
    media = await media_app.ready()
    assert (media.state, media.reason) == (MediaState.FAILED, FailureReason.DAMAGED)
    assert await media_app.keys() == set()
    assert MediaSettled(media_id=media.id, owner_id=ANN, reason="damaged") in await media_app.published()


async def test_an_unavailable_storage_never_fails_media(media_app: MediaApp) -> None:
    media = (await media_app.upload()).media
    media_app.storage.unavailable = True
    for _ in range(4 * MAX_ATTEMPTS):
        assert await media_app.process()
        media_app.elapsed += 61  # the longest pause
    assert (await media_app.read(media.id)).state is MediaState.PROCESSING
    media_app.storage.unavailable = False
    assert await media_app.process()
    assert (await media_app.read(media.id)).state is MediaState.READY


@pytest.mark.parametrize("error", [Unavailable("the child ended with 1"), KilledError()], ids=str)
async def test_an_upload_that_kills_the_processor_fails_after_the_last_attempt(
    media_app: MediaApp, error: Exception
) -> None:
    media = (await media_app.upload()).media
    calls = 0

    def ends() -> None:
        nonlocal calls
        calls += 1
        raise error

    media_app.processes = ends
    for _ in range(MAX_ATTEMPTS + 1):
        with suppress(KilledError):
            assert await media_app.process()
        media_app.elapsed += 100
    now = await media_app.read(media.id)
    assert (now.state, now.reason, calls) == (MediaState.FAILED, FailureReason.TOO_COSTLY, MAX_ATTEMPTS)
    assert await media_app.keys() == set()


async def test_a_missing_upload_fails(media_app: MediaApp) -> None:
    media = (await media_app.upload()).media
    await media_app.storage.real.delete([media.upload])
    assert await media_app.process()
    assert (await media_app.read(media.id)).reason is FailureReason.LOST


@pytest.mark.parametrize("created", [None, BEGINNING + timedelta(days=365 * 5)])
async def test_an_upload_that_a_new_storage_lacks_is_retried_for_hours(
    media_app: MediaApp, created: datetime | None
) -> None:
    media = (await media_app.upload()).media
    media_app.now = media.created_at
    data = media_app.storage.real._objects.pop(media.upload)
    media_app.storage.created = created
    tries = 0
    while media_app.now < media.created_at + timedelta(hours=7):
        tries += await media_app.process()
        media_app.now += timedelta(minutes=1)
        media_app.elapsed += 60
    assert (await media_app.read(media.id)).state is MediaState.PROCESSING
    assert 30 < tries < 100  # with growing pauses
    media_app.storage.real._objects[media.upload] = data  # the right disk is connected again
    media_app.elapsed += 900
    assert await media_app.process()
    assert (await media_app.read(media.id)).state is MediaState.READY


async def test_an_upload_that_a_new_storage_lacks_is_lost_after_eight_hours(media_app: MediaApp) -> None:
    media = (await media_app.upload()).media
    await media_app.storage.real.delete([media.upload])
    media_app.storage.created, media_app.now = None, media.created_at + timedelta(hours=8)
    assert await media_app.process()
    assert (await media_app.read(media.id)).reason is FailureReason.LOST


async def test_media_that_is_deleted_during_processing_leaves_no_object_and_no_event(
    media_app: MediaApp,
) -> None:
    media = (await media_app.upload()).media
    media_app.processes = lambda: media_app.delete_media(ANN, media.id)
    assert await media_app.process()
    assert await media_app.rows() == []
    assert await media_app.keys() == set()
    assert not [event for event in await media_app.published() if isinstance(event, MediaSettled)]


async def test_a_worker_that_lost_its_lease_stops_and_another_one_continues(
    media_app: MediaApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "LEASE", timedelta(seconds=0.1))
    media = (await media_app.upload()).media
    stopped = asyncio.Event()

    async def hangs() -> None:
        media_app.elapsed += 100
        second = await media_app.jobs.claim(timedelta(minutes=1))
        assert second is not None
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    media_app.processes = hangs
    assert await media_app.process()
    assert stopped.is_set()
    assert media.upload in await media_app.keys()
    media_app.elapsed += 100
    media_app.processes = lambda: None
    assert await media_app.process()
    assert (await media_app.read(media.id)).state is MediaState.READY


async def test_a_cancelled_worker_releases_its_job_without_counting_the_attempt(media_app: MediaApp) -> None:
    await media_app.upload()
    started = asyncio.Event()

    async def hangs() -> None:
        started.set()
        await asyncio.Event().wait()

    media_app.processes = hangs
    task = asyncio.create_task(media_app.process())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    job = await media_app.jobs.claim(timedelta(minutes=1))
    assert job is not None
    assert job.attempt == 1
