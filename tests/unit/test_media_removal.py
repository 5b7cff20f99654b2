"""Attaching and removing media, reconciliation with the storage, and kills at any step."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.memory.media.store import MemoryMediaReader
from application.media.ports import StoredObject
from application.media.removing import (
    PurgeExpiredMedia,
    PurgeOrphanedObjects,
)
from application.shared.events import (
    AccountDeleted,
    AttachedMediaChanged,
)
from domain.media import (
    ATTACH_WITHIN,
    FailureReason,
    Media,
    MediaInUse,
    MediaState,
)
from domain.shared import EventId, MediaId, PostId
from tests.port_contracts.stores import new_id
from tests.unit.media_app import ANN, BOB, POST, RESULT, CrashPoint, KilledError, MediaApp, assert_consistent

# --- Posts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attached_first", [True, False])
async def test_a_change_of_attached_media_is_published_in_either_order_of_attaching_and_processing(
    media_app: MediaApp, attached_first: bool
) -> None:
    media = (await media_app.upload()).media
    if attached_first:
        await media_app.attach_media(media.id)
    assert await media_app.process()
    if not attached_first:
        await media_app.attach_media(media.id)
    now = await media_app.read(media.id)
    assert (now.state, now.post, now.open) == (MediaState.READY, POST, True)
    told = AttachedMediaChanged(media_id=media.id, post_id=POST, owner_id=ANN, version=now.version)
    assert told in await media_app.published()


async def test_only_unattached_media_of_the_author_is_attached(media_app: MediaApp) -> None:
    one, other = await media_app.ready(), await media_app.ready(BOB)
    await media_app.attach_media(one.id, other.id, MediaId(99))
    await media_app.attach_media(one.id, post=PostId(8))
    assert [(await media_app.read(media.id)).post for media in (one, other)] == [POST, None]
    with pytest.raises(MediaInUse):
        await media_app.delete_media(ANN, one.id)


async def test_the_purge_removes_old_media_without_a_post_and_keeps_attached_media(
    media_app: MediaApp,
) -> None:
    kept, left = await media_app.ready(), await media_app.ready()
    started = await media_app.begin_upload()
    await media_app.storage.real.put(started.media.upload, media_app.file(), "image/png")
    await media_app.attach_media(kept.id)
    assert await media_app.purge_expired() == 0
    media_app.now += ATTACH_WITHIN
    assert await media_app.purge_expired() == 2
    assert [media.id for media in await media_app.rows()] == [kept.id]
    assert left.id != kept.id
    await assert_consistent(media_app)


async def test_media_that_is_attached_during_the_purge_is_kept(media_app: MediaApp) -> None:
    media = await media_app.ready()
    media_app.now += ATTACH_WITHIN
    stale = media_app.reader.stale

    class Slow(MemoryMediaReader):
        async def stale(self, before: MediaId, limit: int) -> Sequence[Media]:
            found = await stale(before, limit)
            await media_app.attach_media(media.id)
            return found

    purge_expired = PurgeExpiredMedia(
        media_app.open_tx, Slow(media_app.store), media_app.purge, lambda: media_app.now
    )
    assert await purge_expired() == 0
    assert (await media_app.read(media.id)).post == POST


async def test_media_of_a_deleted_post_is_removed_even_after_the_storage_was_unavailable(
    media_app: MediaApp,
) -> None:
    media = await media_app.ready()
    await media_app.attach_media(media.id)
    media_app.storage.unavailable = True
    await media_app.delete_post()
    assert (await media_app.read(media.id)).deleted
    media_app.storage.unavailable = False
    assert await media_app.purge_expired() == 1
    assert await media_app.rows() == []
    assert await media_app.keys() == set()


async def test_all_media_of_a_deleted_account_is_removed_and_no_other(media_app: MediaApp) -> None:
    other = await media_app.ready(BOB)
    for _ in range(3):
        await media_app.attach_media((await media_app.ready()).id)
    await media_app.upload()
    for _ in range(2):
        await media_app.delete_owner_media(AccountDeleted(user_id=ANN), EventId(1))
    assert [media.id for media in await media_app.rows()] == [other.id]
    await assert_consistent(media_app)


# --- Reconciliation ---------------------------------------------------------------------------------


async def test_reconciliation_finds_and_repairs_orphans_and_missing_objects_except_in_a_dry_run(
    media_app: MediaApp,
) -> None:
    media, fine = await media_app.ready(), await media_app.ready()
    await media_app.attach_media(media.id)
    await media_app.published()
    lost = media.key(RESULT.renditions[0])
    await media_app.storage.real.delete([lost])
    orphans = {f"{new_id()}/{'x' * 22}/large.webp", f"{fine.prefix}upload"}
    for key in orphans:
        await media_app.storage.real.put(key, media_app.file(), "image/webp")
    assert (await media_app.reconcile(dry_run=False)).without_row == 0  # they are too young
    assert (await media_app.read(media.id)).reason is FailureReason.LOST
    assert [type(event) for event in await media_app.published()] == [AttachedMediaChanged]
    media_app.now += timedelta(hours=2)
    seen = await media_app.reconcile(dry_run=True)
    assert (seen.rows, seen.without_row, seen.without_object) == (2, 3, 0)
    assert orphans <= await media_app.keys()
    await media_app.reconcile(dry_run=False)
    await assert_consistent(media_app)
    assert (await media_app.read(fine.id)).state is MediaState.READY


async def test_orphaned_objects_are_removed_some_pages_per_call(media_app: MediaApp) -> None:
    purge_expired = PurgeOrphanedObjects(media_app.reader, media_app.storage, lambda: media_app.now, pages=1)
    fine = await media_app.ready()
    orphans = [f"{fine.id + number}/{'x' * 22}/upload" for number in range(1, 4)]
    foreign = {"backups/today.tar", f"{new_id()}/notes.txt", "probe/x"}
    for key in (*orphans, *foreign, f"{fine.prefix}upload"):
        await media_app.storage.real.put(key, media_app.file(), "image/png")
    list_, asked = media_app.storage.real.list, 0

    async def small(prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        nonlocal asked
        asked += 1
        return await list_(prefix, after, min(limit, 2))

    object.__setattr__(media_app.storage, "list", small)
    assert await purge_expired() == 0  # too young
    for _ in range(10):
        await purge_expired()
    media_app.now += timedelta(minutes=19)
    asked = 0
    assert await purge_expired() == 0
    assert asked == 0  # the next round has not started
    media_app.now += timedelta(minutes=1)
    removed, most = 0, 0
    for _ in range(10):  # more than a round needs
        before = asked
        removed += await purge_expired()
        most = max(most, asked - before)
    assert (removed, most) == (4, 1)
    assert await media_app.keys() == foreign | {fine.key(one) for one in RESULT.renditions}


@pytest.mark.usefixtures("inline_threads")
async def test_the_objects_of_another_database_are_kept(
    media_app: MediaApp, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {f"{number}/{'x' * 22}/large.webp" for number in range(1, 302)}
    for key in keys:
        await media_app.storage.real.put(key, media_app.file(), "image/webp")
    media_app.now += timedelta(hours=2)
    assert await media_app.purge_orphans() == 0
    assert await media_app.keys() == keys
    assert "belong to no media of this database" in caplog.text
    assert (await media_app.reconcile(dry_run=False)).without_row == 301  # the operator wants it


# --- Kills ------------------------------------------------------------------------------------------


async def everything(media_app: MediaApp, started: set[str]) -> None:
    """Run every use case. Add `delete` to `started` as soon as a relay would deliver that event again."""
    one = (await media_app.upload(key="one")).media
    direct = await media_app.begin_upload()
    await media_app.storage.put(direct.media.upload, media_app.file(), "image/png")
    await media_app.complete(ANN, direct.media.id)
    await media_app.attach_media(direct.media.id)
    while await media_app.process():
        pass
    await media_app.attach_media(one.id, post=PostId(8))
    removed = (await media_app.upload(key="removed")).media
    await media_app.process()
    await media_app.delete_media(ANN, removed.id)
    started.add("delete")
    await media_app.delete_post()
    await media_app.upload(key="late")


@pytest.mark.usefixtures("inline_threads")
async def test_after_a_kill_at_any_step_maintenance_makes_rows_and_objects_consistent(tmp_path: Path) -> None:
    steps = CrashPoint()
    await everything(MediaApp(tmp_path, crash_point=steps), set())
    assert steps.steps > 50
    for last in range(steps.steps):
        media_app, started = MediaApp(tmp_path, crash_point=CrashPoint(last)), set[str]()
        with pytest.raises(KilledError):
            await everything(media_app, started)
        media_app.crash_point.last = None
        media_app.elapsed += 60  # the leases of the killed process end
        if "delete" in started:
            await media_app.delete_post()  # the relay delivers the event again
        while await media_app.process():
            pass
        media_app.now += timedelta(days=2)
        await media_app.purge_expired()
        await media_app.reconcile(dry_run=False)
        await assert_consistent(media_app)
        for media in await media_app.rows():
            assert (media.state, media.deleted) == (MediaState.READY, False), last
            assert media.post is not None
