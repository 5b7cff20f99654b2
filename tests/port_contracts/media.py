"""What every store of media must do."""

import asyncio
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.sql.media import SqlProcessingQueue
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
    async with stores.open_media() as tx:
        for one in some:
            await tx.media.add(one)


async def read(stores: Stores, media: Media) -> Media:
    return (await stores.media.media([media.id]))[media.id]


async def saved(stores: Stores, media: Media) -> None:
    async with stores.open_media() as tx:
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
    async def test_media_come_back_as_they_were_added_and_as_they_were_saved(
        self, stores: Stores, changes: dict[str, object]
    ) -> None:
        plain, whole = a_media(), a_media(**changes)
        await added(stores, plain, whole)
        assert await read(stores, whole) == whole
        changed = replace(plain, **changes)  # type: ignore[arg-type]
        await saved(stores, changed)
        assert await read(stores, plain) == changed
        async with stores.open_media() as tx:
            assert await tx.media.get(plain.id) == changed

    async def test_what_is_not_there_is_not_found(self, stores: Stores) -> None:
        async with stores.open_media() as tx:
            with pytest.raises(MediaNotFound):
                await tx.media.get(MediaId(new_id()))
            await tx.media.delete(MediaId(new_id()))
        assert await stores.media.media([MediaId(new_id())]) == {}
        assert await stores.media.media([]) == {}

    async def test_what_is_forgotten_is_gone(self, stores: Stores) -> None:
        media = a_media()
        await added(stores, media)
        async with stores.open_media() as tx:
            await tx.media.delete(media.id)
        assert await stores.media.media([media.id]) == {}

    async def test_a_transaction_that_fails_changes_nothing(self, stores: Stores) -> None:
        media = a_media()
        await added(stores, media)
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - it raises at its end
            async with stores.open_media() as tx:
                await tx.media.save(media.uploaded(5))
                await tx.outbox.add(MediaSettled(media_id=media.id, owner_id=media.owner))
                raise ZeroDivisionError
        assert await read(stores, media) == media

    async def test_a_post_and_an_owner_have_theirs_in_order(self, stores: Stores) -> None:
        owner, post = UserId(new_id()), PostId(new_id())
        some = [a_media(owner=owner, post=post if n % 2 else None) for n in range(5)]
        gone = a_media(owner=owner, post=post, deleted=True)
        await added(stores, *reversed(some), gone, a_media(post=PostId(new_id())))
        async with stores.open_media() as tx:
            assert await tx.media.of_post(post) == [some[1], some[3], gone]
            assert await tx.media.of_owner(owner, MediaId(0), 2) == some[:2]
            assert await tx.media.of_owner(owner, some[1].id, 9) == some[2:]

    async def test_what_is_stale_is_deleted_or_old_and_without_a_post(self, stores: Stores) -> None:
        deleted = a_media(deleted=True, post=PostId(7))
        old, attached = a_media(), a_media(post=PostId(7))
        edge, new_deleted = a_media(), a_media(deleted=True)
        await added(stores, deleted, old, attached, edge, new_deleted)
        mine = {deleted.id, old.id, attached.id, edge.id, new_deleted.id}
        stale = [one for one in await stores.media.stale(edge.id, 1000) if one.id in mine]
        assert stale == [deleted, old, new_deleted]
        assert len(await stores.media.stale(edge.id, 1)) == 1

    async def test_all_are_paged_through(self, stores: Stores) -> None:
        some = [a_media(deleted=n == 1) for n in range(5)]
        await added(stores, *some)
        before = MediaId(some[0].id - 1)
        assert await stores.media.all_after(before, 3) == some[:3]
        assert await stores.media.all_after(some[2].id, 3) == some[3:]

    async def test_what_an_owner_uses_is_what_is_there_and_what_was_uploaded_today(
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
        async with stores.open_media() as tx:
            assert await tx.media.lock_owner(owner) == QuotaUsage(2**33 + 5, 1)
            assert await tx.media.lock_owner(UserId(new_id())) == QuotaUsage(0, 0)
            for media_id in (recent, old):
                await tx.media.delete(media_id)
            assert await tx.media.lock_owner(owner) == QuotaUsage(2**33, 1)
            await tx.media.anonymise_uploads(owner)
            assert await tx.media.lock_owner(owner) == QuotaUsage(0, 0)

    async def test_tickets_are_looked_at_when_they_ended_and_their_notes_go(self, stores: Stores) -> None:
        one, two, form = a_media(), a_media(), a_media()
        await added(stores, one, two, form)
        until, session = BEGINNING + timedelta(minutes=10), SessionId(new_id())
        look_at = until + timedelta(minutes=2)

        async def ended(at: datetime) -> list[ExpiredTicket]:
            found = await stores.media.expired_tickets(at, 1_000)
            return [each for each in found if each.media_id in {one.id, two.id, form.id}]

        async with stores.open_media() as tx:
            await tx.media.record_ticket(one.id, SessionId(1), until, look_at - timedelta(minutes=5))
            await tx.media.record_ticket(one.id, session, until, look_at)  # a later one
            await tx.media.record_ticket(two.id, session, until, look_at - timedelta(seconds=1))
            await tx.media.delete(two.id)
        assert await stores.media.ticket_session(one.id) == session
        assert await stores.media.ticket_session(form.id) is None
        assert await stores.media.ticket_session(MediaId(new_id())) is None
        assert await ended(look_at - timedelta(seconds=2)) == []
        first, second = (
            ExpiredTicket(two.id, two.secret, session, until),
            ExpiredTicket(one.id, one.secret, session, until),
        )
        assert await ended(look_at) == [first, second]
        assert second.prefix == one.prefix
        async with stores.open_media() as tx:
            await tx.media.record_check(two.id, None)
            await tx.media.record_check(one.id, look_at + timedelta(hours=1))
            await tx.media.record_check(MediaId(new_id()), None)
            await tx.media.purge_upload_records(MediaId(form.id + 1))
        assert await ended(look_at) == []
        assert await ended(look_at + timedelta(hours=1)) == [second]
        assert await stores.media.ticket_session(two.id) is None
        async with stores.open_media() as tx:
            await tx.media.record_check(one.id, None)
            await tx.media.purge_upload_records(MediaId(form.id + 1))
        assert await stores.media.ticket_session(one.id) is None

    async def test_who_locks_an_owner_waits_for_who_did_before(self, stores: Stores) -> None:
        owner = UserId(new_id())

        async def add_one_if_there_is_room() -> None:
            async with stores.open_media() as tx:
                if (await tx.media.lock_owner(owner)).bytes < 30:
                    await tx.media.add(a_media(owner=owner))

        await asyncio.gather(*(with_retries(add_one_if_there_is_room) for _ in range(8)))
        async with stores.open_media() as tx:
            assert (await tx.media.lock_owner(owner)).bytes == 30


class JobsContract:
    async def drained(self, stores: Stores) -> None:
        """Of the jobs that other tests left none is due for a while."""
        while job := await stores.jobs.claim(MINUTE):
            await stores.jobs.retry(job, timedelta(days=30))

    async def jobs(self, stores: Stores, number: int) -> list[Media]:
        some = [a_media(state=MediaState.PROCESSING) for _ in range(number)]
        await added(stores, *some)
        return some

    async def test_jobs_are_given_oldest_first_and_each_to_one(self, stores: Stores) -> None:
        await self.drained(stores)
        one, two = await self.jobs(stores, 2)
        await added(stores, a_media(), a_media(state=MediaState.PROCESSING, deleted=True))
        assert await stores.jobs.claim(MINUTE) == ProcessingJob(one, 1)
        assert await stores.jobs.claim(MINUTE) == ProcessingJob(two, 1)
        assert await stores.jobs.claim(MINUTE) is None

    async def test_many_who_claim_at_once_get_different_ones(self, stores: Stores) -> None:
        await self.drained(stores)
        some = await self.jobs(stores, 5)
        claimed = await asyncio.gather(*(with_retries(lambda: stores.jobs.claim(MINUTE)) for _ in range(8)))
        rest = [await stores.jobs.claim(MINUTE) for _ in range(5)]  # who came too close may have got none
        ids = [job.media.id for job in [*claimed, *rest] if job]
        assert sorted(ids) == [one.id for one in some]

    async def test_a_job_whose_lease_ended_is_given_again_and_the_first_has_lost_it(
        self, stores: Stores
    ) -> None:
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        first = await stores.jobs.claim(MINUTE)
        assert first is not None
        assert await stores.jobs.progress(first, 30, MINUTE)
        assert (await read(stores, media)).progress == 30
        await stores.pass_time(timedelta(seconds=61))
        second = await stores.jobs.claim(MINUTE)
        assert second is not None
        assert (second.media.id, second.attempt) == (media.id, 2)
        assert not await stores.jobs.progress(first, 90, MINUTE)
        await stores.jobs.retry(first, timedelta())
        assert await stores.jobs.claim(MINUTE) is None
        assert await stores.jobs.progress(second, 60, MINUTE)

    async def test_progress_keeps_the_lease(self, stores: Stores) -> None:
        await self.drained(stores)
        await self.jobs(stores, 1)
        job = await stores.jobs.claim(MINUTE)
        assert job is not None
        await stores.pass_time(timedelta(seconds=40))
        assert await stores.jobs.progress(job, 30, MINUTE)
        await stores.pass_time(timedelta(seconds=40))
        assert await stores.jobs.claim(MINUTE) is None

    async def test_what_is_given_back_comes_again_later(self, stores: Stores) -> None:
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        job = await stores.jobs.claim(MINUTE)
        assert job is not None
        await stores.jobs.retry(job, MINUTE)
        assert not await stores.jobs.progress(job, 50, MINUTE)
        assert await stores.jobs.claim(MINUTE) is None
        await stores.pass_time(timedelta(seconds=61))
        assert await stores.jobs.claim(MINUTE) == ProcessingJob(media, 2)

    async def test_what_is_given_back_uncounted_has_the_same_number_and_old_leases_stay_lost(
        self, stores: Stores
    ) -> None:
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        lost = await stores.jobs.claim(MINUTE)
        assert lost is not None
        await stores.pass_time(timedelta(seconds=61))
        for _ in range(3):
            job = await stores.jobs.claim(MINUTE)
            assert job == ProcessingJob(media, 2)
            assert not await stores.jobs.progress(lost, 50, MINUTE)
            await stores.jobs.retry(job, timedelta(), counted=False)
            assert not await stores.jobs.progress(lost, 50, MINUTE)
            await stores.jobs.retry(lost, MINUTE)
        assert await stores.jobs.claim(MINUTE) == ProcessingJob(media, 2)

    @pytest.mark.parametrize(
        "ended", [{"deleted": True}, {"state": MediaState.READY, "result": RESULT}], ids=str
    )
    async def test_what_ended_or_is_deleted_is_no_job_any_more(
        self, stores: Stores, ended: dict[str, object]
    ) -> None:
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        job = await stores.jobs.claim(MINUTE)
        assert job is not None
        await saved(stores, replace(media, **ended))  # type: ignore[arg-type]
        assert not await stores.jobs.progress(job, 50, MINUTE)
        await stores.jobs.retry(job, timedelta())
        assert await stores.jobs.claim(MINUTE) is None

    async def test_who_is_alone_can_end_the_leases_of_the_dead(self, stores: Stores) -> None:
        if not isinstance(stores.jobs, SqlProcessingQueue):
            return  # what is in memory dies with its process
        await self.drained(stores)
        (media,) = await self.jobs(stores, 1)
        dead = await stores.jobs.claim(MINUTE)
        assert dead is not None
        await stores.jobs.free_all()
        assert not await stores.jobs.progress(dead, 50, MINUTE)
        again = await stores.jobs.claim(MINUTE)
        assert again is not None
        assert (again.media.id, again.attempt) == (media.id, 2)
