"""Uploads through Waggle and with tickets: quota, completion, interruption and expiry."""

import asyncio
import itertools
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.media.ports import TicketRefused
from application.media.uploading import (
    MediaDetails,
    RegisterUpload,
    StartedUpload,
    UploadLimits,
    UploadResult,
)
from application.shared.events import (
    AccountDeleted,
    MediaSettled,
)
from domain.media import (
    MediaNotFound,
    MediaNotUploaded,
    MediaState,
    QuotaReached,
)
from domain.shared import EventId, MediaId, Unavailable
from tests.unit.media_app import (
    ANN,
    BOB,
    PHONE,
    RESULT,
    MediaApp,
    assert_consistent,
)

# --- Uploads ----------------------------------------------------------------------------------------


async def test_an_upload_is_processed_and_an_event_is_published(media_app: MediaApp) -> None:
    media = await media_app.ready()
    assert (media.state, media.result, media.progress) == (MediaState.READY, RESULT, 100)
    assert await media_app.keys() == {media.key(one) for one in RESULT.renditions}
    assert [event for event in await media_app.published() if isinstance(event, MediaSettled)] == [
        MediaSettled(media_id=media.id, owner_id=ANN)
    ]


async def test_a_repeated_request_continues_an_interrupted_upload(media_app: MediaApp) -> None:
    media_app.storage.unavailable = True
    with pytest.raises(Unavailable):
        await media_app.upload(key="k")
    media_app.storage.unavailable = False
    second, third = await media_app.upload(key="k"), await media_app.upload(key="k")
    assert second.media.id == third.media.id
    assert (third.media.state, third.replayed) == (MediaState.PROCESSING, True)
    assert len(await media_app.rows()) == 1


async def test_media_that_is_deleted_during_its_upload_leaves_no_object(media_app: MediaApp) -> None:
    async def delete_all() -> None:
        for media in await media_app.rows():
            await media_app.delete_media(ANN, media.id)

    put = media_app.storage.real.put

    async def late(key: str, source: Path, content_type: str) -> None:
        await delete_all()
        await put(key, source, content_type)

    object.__setattr__(media_app.storage, "put", late)
    with pytest.raises(MediaNotFound):
        await media_app.upload()
    assert await media_app.keys() == set()
    assert await media_app.rows() == []


async def test_a_direct_upload_is_completed_only_with_the_announced_size_and_once(
    media_app: MediaApp,
) -> None:
    started = await media_app.begin_upload()
    with pytest.raises(MediaNotUploaded):
        await media_app.complete(ANN, started.media.id)
    await media_app.storage.real.put(started.media.upload, media_app.file(b"too short"[:3]), "image/png")
    with pytest.raises(MediaNotUploaded):
        await media_app.complete(ANN, started.media.id)
    assert await media_app.keys() == set()
    await media_app.storage.real.put(started.media.upload, media_app.file(), "image/png")
    with pytest.raises(MediaNotFound):
        await media_app.complete(BOB, started.media.id)
    first, second = await asyncio.gather(*(media_app.complete(ANN, started.media.id) for _ in range(2)))
    assert first == second
    assert first.state is MediaState.PROCESSING
    assert await media_app.process()
    assert not await media_app.process()
    assert (await media_app.complete(ANN, started.media.id)).state is MediaState.READY


async def test_concurrent_uploads_stay_within_the_quota(tmp_path: Path) -> None:
    media_app = MediaApp(tmp_path, UploadLimits(file_bytes=10, user_bytes=35, files_a_day=100))
    outcomes = await asyncio.gather(
        *(media_app.register(ANN, 10, MediaDetails(), None) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(one, UploadResult) for one in outcomes) == 3
    assert sum(isinstance(one, QuotaReached) for one in outcomes) == 7
    await media_app.register(BOB, 10, MediaDetails(), None)


@given(st.lists(st.one_of(st.integers(1, 9), st.just("remove"), st.just("a day")), max_size=40))
async def test_uploads_are_refused_exactly_when_they_exceed_the_quota(
    steps: list[int | str],
) -> None:
    media_app = MediaApp(Path(), UploadLimits(file_bytes=9, user_bytes=30, files_a_day=6))
    number = itertools.count()

    def id_now() -> int:
        return (int(media_app.now.timestamp() * 1000) << 16) + next(number)

    register = RegisterUpload(media_app.open_tx, id_now, lambda: "s" * 22, media_app.limits)
    there: list[tuple[MediaId, int, datetime]] = []
    removed: list[tuple[MediaId, int, datetime]] = []
    for step in steps:
        if step == "a day":
            media_app.now += timedelta(hours=25)
        elif step == "remove":
            if there:
                removed.append(there.pop(0))
                await media_app.delete_media(ANN, removed[-1][0])
        elif isinstance(step, int):
            # Uploads of the last 24 hours count, deleted or not.
            counted = there + [one for one in removed if one[2] == media_app.now]
            today = [one for one in counted if one[2] == media_app.now]
            fits = sum(size for _, size, _ in counted) + step <= 30 and len(today) < 6
            if fits:
                media = (await register(ANN, step, MediaDetails(), None)).media
                there.append((media.id, step, media_app.now))
            else:
                with pytest.raises(QuotaReached):
                    await register(ANN, step, MediaDetails(), None)
    assert [media.id for media in await media_app.rows()] == [one[0] for one in there]


# --- Tickets ----------------------------------------------------------------------------------------


async def completes(media_app: MediaApp, started: StartedUpload) -> None:
    await media_app.receive(started.media.upload, media_app.file(), "image/png")
    await media_app.complete(ANN, started.media.id)


async def is_removed(media_app: MediaApp, started: StartedUpload) -> None:
    await media_app.delete_media(ANN, started.media.id)


async def is_logged_out(media_app: MediaApp, _begun: StartedUpload) -> None:
    media_app.ended_sessions.add(PHONE)


async def loses_the_account(media_app: MediaApp, _begun: StartedUpload) -> None:
    await media_app.delete_owner_media(AccountDeleted(user_id=ANN), EventId(1))


ENDS = {
    "deleted": is_removed,
    "completed": completes,
    "logged out": is_logged_out,
    "account deleted": loses_the_account,
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("when", ["before", "during"])
async def test_a_ticket_ends_with_its_media_or_session_and_leaves_no_object(
    media_app: MediaApp, end: str, when: str
) -> None:
    """ME-5."""
    started = await media_app.begin_upload()
    key = started.media.upload
    if when == "before":
        await ENDS[end](media_app, started)
        with pytest.raises(TicketRefused):
            await media_app.receive.check(key)
    else:
        put = media_app.storage.real.put

        async def late(key: str, source: Path, content_type: str) -> None:
            if end == "completed":
                await put(key, source, content_type)
                await media_app.complete(ANN, started.media.id)
            else:
                await ENDS[end](media_app, started)
            while await media_app.process():
                pass
            await put(key, source, content_type)

        object.__setattr__(media_app.storage, "put", late)
    while await media_app.process():
        pass
    object.__setattr__(media_app.storage.real, "now", lambda: media_app.now)
    with pytest.raises(TicketRefused):
        await media_app.receive(key, media_app.file(), "image/png")
    assert key not in await media_app.keys()


async def test_an_upload_without_an_issued_ticket_is_refused(media_app: MediaApp) -> None:
    media = (await media_app.register(ANN, 3, MediaDetails(), None)).media  # without a ticket
    for key in (media.upload, f"{media.prefix}large.webp", "17/x/upload", "x", ""):
        with pytest.raises(TicketRefused):
            await media_app.receive.check(key)


async def test_unneeded_uploads_to_an_external_storage_are_removed_after_the_ticket_expires(
    media_app: MediaApp,
) -> None:
    """As on S3, where an upload does not pass through Waggle."""
    deleted, completed, left, open_ = [await media_app.begin_upload() for _ in range(4)]
    real = media_app.storage.real
    for started in (completed, left, open_):
        await real.put(started.media.upload, media_app.file(), "image/png")
    await media_app.delete_media(ANN, deleted.media.id)
    await media_app.complete(ANN, completed.media.id)
    await media_app.process()
    orphans = {started.media.upload for started in (deleted, completed)}
    for key in orphans:
        await real.put(key, media_app.file(), "image/png")
    assert await media_app.check_tickets() == 0  # the tickets are still valid

    media_app.now += timedelta(minutes=13)
    assert await media_app.check_tickets() == 4
    assert await media_app.check_tickets() == 0
    assert not orphans & await media_app.keys()
    assert {left.media.upload, open_.media.upload} <= await media_app.keys()

    for key in orphans:  # started before the expiry, and slow
        await real.put(key, media_app.file(), "image/png")
    await media_app.attach_media(open_.media.id)
    media_app.now += timedelta(minutes=50)
    assert await media_app.check_tickets() == 4
    assert [media.id for media in await media_app.rows()] == [completed.media.id, open_.media.id]
    await assert_consistent(media_app)
    media_app.now += timedelta(days=2)
    assert await media_app.check_tickets() == 0


async def test_an_upload_with_the_ticket_of_an_ended_session_is_removed(media_app: MediaApp) -> None:
    started = await media_app.begin_upload()
    await media_app.storage.real.put(started.media.upload, media_app.file(), "image/png")
    media_app.ended_sessions.add(PHONE)
    media_app.now += timedelta(minutes=13)
    await media_app.check_tickets()
    assert await media_app.keys() == set()
    with pytest.raises(MediaNotUploaded):
        await media_app.complete(ANN, started.media.id)


async def test_the_check_of_tickets_is_repeated_after_the_storage_was_unavailable(
    media_app: MediaApp,
) -> None:
    started = await media_app.begin_upload()
    await media_app.delete_media(ANN, started.media.id)
    await media_app.storage.real.put(started.media.upload, media_app.file(), "image/png")
    media_app.now += timedelta(minutes=13)
    media_app.storage.unavailable = True
    with pytest.raises(Unavailable):
        await media_app.check_tickets()
    media_app.storage.unavailable = False
    assert await media_app.check_tickets() == 1
    assert await media_app.keys() == set()
