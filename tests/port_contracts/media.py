"""The contract of the media stores and of the processing queue."""

import asyncio
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.sql.media.queue import SqlProcessingQueue
from application.media.ports import ExpiredTicket, ProcessingJob, QuotaUsage
from application.shared.events import MediaSettled
from domain.media import (
    FailureReason,
    FocalPoint,
    Media,
    MediaKind,
    MediaNotFound,
    MediaState,
    ProcessingResult,
    Rendition,
)
from domain.shared import MediaId, PostId, SessionId, UserId
from tests.port_contracts.stores import BEGINNING, Stores, new_id, with_retries

MINUTE = timedelta(minutes=1)
RESULT = ProcessingResult(
    kind=MediaKind.VIDEO,
    width=640,
    height=480,
    blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj",
    duration=1.25,
    renditions=(
        Rendition(name="video", type="video/mp4", width=640, height=480, bytes=1234),
        Rendition(name="poster", type="image/jpeg", width=640, height=480, bytes=99),
    ),
)


def a_media(**members: object) -> Media:
    defaults = {"id": MediaId(new_id()), "owner": UserId(new_id()), "secret": "s" * 22, "bytes": 10}
    return Media(**{**defaults, **members})  # type: ignore[arg-type]


async def added(stores: Stores, *some: Media) -> None:
    async with stores.media.open_tx() as tx:
        for one in some:
            await tx.media.add(one)


async def read(stores: Stores, media: Media) -> Media:
    return (await stores.media.reader.media([media.id]))[media.id]


async def saved(stores: Stores, media: Media) -> None:
    async with stores.media.open_tx() as tx:
        await tx.media.get(media.id)
        await tx.media.save(media)


class MediaContract:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"state": MediaState.PROCESSING, "progress": 40, "version": 3},
            {"state": MediaState.READY, "result": RESULT, "progress": 100},
            {"state": MediaState.READY, "result": replace(RESULT, kind=MediaKind.IMAGE, duration=None)},
            {"state": MediaState.FAILED, "reason": FailureReason.TOO_COSTLY},
            {"alt_text": 'a bee 🐝 "and" a flower', "focal_point": FocalPoint(-0.25, 1.0)},
            {"post": PostId(2**63 - 1), "open": True, "bytes": 2**40},
            {"deleted": True},
        ],
        ids=str,
    )
    async def test_added_and_saved_media_are_read_unchanged(
        self, stores: Stores, changes: dict[str, object]
    ) -> None:
        plain, whole = a_media(), a_media(**changes)
        await added(stores, plain, whole)
        assert await read(stores, whole) == whole
        changed = replace(plain, **changes)  # type: ignore[arg-type]
        await saved(stores, changed)
        assert await read(stores, plain) == changed
        async with stores.media.open_tx() as tx:
            assert await tx.media.get(plain.id) == changed

    async def test_missing_media_is_not_found(self, stores: Stores) -> None:
        async with stores.media.open_tx() as tx:
            with pytest.raises(MediaNotFound):
                await tx.media.get(MediaId(new_id()))
            await tx.media.delete(MediaId(new_id()))
        assert await stores.media.reader.media([MediaId(new_id())]) == {}
        assert await stores.media.reader.media([]) == {}

    async def test_deleted_rows_are_gone(self, stores: Stores) -> None:
        media = a_media()
        await added(stores, media)
        async with stores.media.open_tx() as tx:
            await tx.media.delete(media.id)
        assert await stores.media.reader.media([media.id]) == {}

    async def test_a_transaction_that_fails_changes_nothing(self, stores: Stores) -> None:
        media = a_media()
        await added(stores, media)
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - it raises at its end
            async with stores.media.open_tx() as tx:
                await tx.media.save(media.uploaded(5))
                await tx.outbox.add(MediaSettled(media_id=media.id, owner_id=media.owner))
                raise ZeroDivisionError
        assert await read(stores, media) == media

    async def test_the_media_of_a_post_and_of_an_owner_are_ordered(self, stores: Stores) -> None:
        owner, post = UserId(new_id()), PostId(new_id())
        some = [a_media(owner=owner, post=post if n % 2 else None) for n in range(5)]
        gone = a_media(owner=owner, post=post, deleted=True)
        await added(stores, *reversed(some), gone, a_media(post=PostId(new_id())))
        async with stores.media.open_tx() as tx:
            assert await tx.media.of_post(post) == [some[1], some[3], gone]
            assert await tx.media.of_owner(owner, MediaId(0), 2) == some[:2]
            assert await tx.media.of_owner(owner, some[1].id, 9) == some[2:]

    async def test_stale_media_is_deleted_or_old_and_without_a_post(self, stores: Stores) -> None:
        deleted = a_media(deleted=True, post=PostId(7))
        old, attached = a_media(), a_media(post=PostId(7))
        edge, new_deleted = a_media(), a_media(deleted=True)
        await added(stores, deleted, old, attached, edge, new_deleted)
        mine = {deleted.id, old.id, attached.id, edge.id, new_deleted.id}
        stale = [one for one in await stores.media.reader.stale(edge.id, 1000) if one.id in mine]
        assert stale == [deleted, old, new_deleted]
        assert len(await stores.media.reader.stale(edge.id, 1)) == 1

    async def test_all_media_are_read_in_pages(self, stores: Stores) -> None:
        some = [a_media(deleted=n == 1) for n in range(5)]
        await added(stores, *some)
        before = MediaId(some[0].id - 1)
        assert await stores.media.reader.all_after(before, 3) == some[:3]
        assert await stores.media.reader.all_after(some[2].id, 3) == some[3:]

    async def test_the_quota_usage_counts_existing_media_and_uploads_of_the_last_24_hours(
        self, stores: Stores
    ) -> None:
        owner, now = UserId(new_id()), int(time.time() * 1000)
        recent = MediaId((now - 23 * 3_600_000 << 16) + (new_id() & 0xFFFF))
        old = MediaId((now - 25 * 3_600_000 << 16) + (new_id() & 0xFFFF))
        await added(
            stores,
            a_media(id=recent, owner=owner, bytes=2**33),
            a_media(id=old, owner=owner, bytes=5, deleted=True),
            a_media(),
        )
        async with stores.media.open_tx() as tx:
            assert await tx.media.lock_owner(owner) == QuotaUsage(2**33 + 5, 1)
            assert await tx.media.lock_owner(UserId(new_id())) == QuotaUsage(0, 0)
            for media_id in (recent, old):
                await tx.media.delete(media_id)
            assert await tx.media.lock_owner(owner) == QuotaUsage(2**33, 1)
            await tx.media.anonymise_uploads(owner)
            assert await tx.media.lock_owner(owner) == QuotaUsage(0, 0)

    async def test_expired_tickets_are_due_for_checks_and_their_records_are_purged(
        self, stores: Stores
    ) -> None:
        one, two, form = a_media(), a_media(), a_media()
        await added(stores, one, two, form)
        until, session = BEGINNING + timedelta(minutes=10), SessionId(new_id())
        check_at = until + timedelta(minutes=2)

        async def ended(at: datetime) -> list[ExpiredTicket]:
            found = await stores.media.reader.expired_tickets(at, 1_000)
            return [each for each in found if each.media_id in {one.id, two.id, form.id}]

        async with stores.media.open_tx() as tx:
            await tx.media.record_ticket(one.id, SessionId(1), until, check_at - timedelta(minutes=5))
            await tx.media.record_ticket(one.id, session, until, check_at)  # a later one
            await tx.media.record_ticket(two.id, session, until, check_at - timedelta(seconds=1))
            await tx.media.delete(two.id)
        assert await stores.media.reader.ticket_session(one.id) == session
        assert await stores.media.reader.ticket_session(form.id) is None
        assert await stores.media.reader.ticket_session(MediaId(new_id())) is None
        assert await ended(check_at - timedelta(seconds=2)) == []
        first, second = (
            ExpiredTicket(two.id, two.secret, session, until),
            ExpiredTicket(one.id, one.secret, session, until),
        )
        assert await ended(check_at) == [first, second]
        assert second.prefix == one.prefix
        async with stores.media.open_tx() as tx:
            await tx.media.record_check(two.id, None)
            await tx.media.record_check(one.id, check_at + timedelta(hours=1))
            await tx.media.record_check(MediaId(new_id()), None)
            await tx.media.purge_upload_records(MediaId(form.id + 1))
        assert await ended(check_at) == []
        assert await ended(check_at + timedelta(hours=1)) == [second]
        assert await stores.media.reader.ticket_session(two.id) is None
        async with stores.media.open_tx() as tx:
            await tx.media.record_check(one.id, None)
            await tx.media.purge_upload_records(MediaId(form.id + 1))
        assert await stores.media.reader.ticket_session(one.id) is None

    async def test_the_lock_of_an_owner_serialises_transactions(self, stores: Stores) -> None:
        owner = UserId(new_id())

        async def add_one_within_the_limit() -> None:
            async with stores.media.open_tx() as tx:
                if (await tx.media.lock_owner(owner)).bytes < 30:
                    await tx.media.add(a_media(owner=owner))

        await asyncio.gather(*(with_retries(add_one_within_the_limit) for _ in range(8)))
        async with stores.media.open_tx() as tx:
            assert (await tx.media.lock_owner(owner)).bytes == 30


class ProcessingQueueContract:
    async def drained(self, stores: Stores) -> None:
        """Postpone the jobs that other tests left."""
        while job := await stores.media.jobs.claim(MINUTE):
            await stores.media.jobs.retry(job, timedelta(days=30))

    async def jobs(self, stores: Stores, number: int) -> list[Media]:
        some = [a_media(state=MediaState.PROCESSING) for _ in range(number)]
        await added(stores, *some)
        return some

    async def test_jobs_are_claimed_oldest_first_and_each_by_one_worker(self, stores: Stores) -> None:
        await self.drained(stores)
        one, two = await self.jobs(stores, 2)
        await added(stores, a_media(), a_media(state=MediaState.PROCESSING, deleted=True))
        assert await stores.media.jobs.claim(MINUTE) == ProcessingJob(one, 1)
        assert await stores.media.jobs.claim(MINUTE) == ProcessingJob(two, 1)
        assert await stores.media.jobs.claim(MINUTE) is None

    async def test_jobs_wait_until_they_are_done(self, stores: Stores) -> None:
        before = await stores.media.jobs.waiting()
        one, _ = await self.jobs(stores, 2)
        await stores.media.jobs.claim(MINUTE)

        assert await stores.media.jobs.waiting() == before + 2
        await saved(stores, one.ready(RESULT))
        assert await stores.media.jobs.waiting() == before + 1

    async def test_concurrent_claims_get_different_jobs(self, stores: Stores) -> None:
        await self.drained(stores)
        some = await self.jobs(stores, 5)
        claimed = await asyncio.gather(
            *(with_retries(lambda: stores.media.jobs.claim(MINUTE)) for _ in range(8))
        )
        rest = [
            await stores.media.jobs.claim(MINUTE) for _ in range(5)
        ]  # a concurrent claim may have got none
        ids = [job.media.id for job in [*claimed, *rest] if job]
        assert sorted(ids) == [one.id for one in some]

    async def test_a_job_with_an_expired_lease_is_claimed_again_and_the_first_worker_has_lost_it(
        self, stores: Stores
    ) -> None:
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        first = await stores.media.jobs.claim(MINUTE)
        assert first is not None
        assert await stores.media.jobs.progress(first, 30, MINUTE)
        assert (await read(stores, media)).progress == 30
        await stores.pass_time(timedelta(seconds=61))
        second = await stores.media.jobs.claim(MINUTE)
        assert second is not None
        assert (second.media.id, second.attempt) == (media.id, 2)
        assert not await stores.media.jobs.progress(first, 90, MINUTE)
        await stores.media.jobs.retry(first, timedelta())
        assert await stores.media.jobs.claim(MINUTE) is None
        assert await stores.media.jobs.progress(second, 60, MINUTE)

    async def test_progress_extends_the_lease(self, stores: Stores) -> None:
        await self.drained(stores)
        await self.jobs(stores, 1)
        job = await stores.media.jobs.claim(MINUTE)
        assert job is not None
        await stores.pass_time(timedelta(seconds=40))
        assert await stores.media.jobs.progress(job, 30, MINUTE)
        await stores.pass_time(timedelta(seconds=40))
        assert await stores.media.jobs.claim(MINUTE) is None

    async def test_a_released_job_is_due_again_later(self, stores: Stores) -> None:
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        job = await stores.media.jobs.claim(MINUTE)
        assert job is not None
        await stores.media.jobs.retry(job, MINUTE)
        assert not await stores.media.jobs.progress(job, 50, MINUTE)
        assert await stores.media.jobs.claim(MINUTE) is None
        await stores.pass_time(timedelta(seconds=61))
        assert await stores.media.jobs.claim(MINUTE) == ProcessingJob(media, 2)

    async def test_an_uncounted_release_keeps_the_number_of_the_attempt_and_lost_leases_stay_lost(
        self, stores: Stores
    ) -> None:
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        lost = await stores.media.jobs.claim(MINUTE)
        assert lost is not None
        await stores.pass_time(timedelta(seconds=61))
        for _ in range(3):
            job = await stores.media.jobs.claim(MINUTE)
            assert job == ProcessingJob(media, 2)
            assert not await stores.media.jobs.progress(lost, 50, MINUTE)
            await stores.media.jobs.retry(job, timedelta(), counted=False)
            assert not await stores.media.jobs.progress(lost, 50, MINUTE)
            await stores.media.jobs.retry(lost, MINUTE)
        assert await stores.media.jobs.claim(MINUTE) == ProcessingJob(media, 2)

    @pytest.mark.parametrize(
        "ended", [{"deleted": True}, {"state": MediaState.READY, "result": RESULT}], ids=str
    )
    async def test_finished_or_deleted_media_leaves_the_queue(
        self, stores: Stores, ended: dict[str, object]
    ) -> None:
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        job = await stores.media.jobs.claim(MINUTE)
        assert job is not None
        await saved(stores, replace(media, **ended))  # type: ignore[arg-type]
        assert not await stores.media.jobs.progress(job, 50, MINUTE)
        await stores.media.jobs.retry(job, timedelta())
        assert await stores.media.jobs.claim(MINUTE) is None

    async def test_the_only_process_can_end_all_leases(self, stores: Stores) -> None:
        if not isinstance(stores.media.jobs, SqlProcessingQueue):
            return  # leases in memory end with their process
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        lost = await stores.media.jobs.claim(MINUTE)
        assert lost is not None
        await stores.media.jobs.free_all()
        assert not await stores.media.jobs.progress(lost, 50, MINUTE)
        again = await stores.media.jobs.claim(MINUTE)
        assert again is not None
        assert (again.media.id, again.attempt) == (media.id, 2)
