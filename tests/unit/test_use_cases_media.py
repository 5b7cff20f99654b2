"""Media from its announcement to its last byte, with everything that can come between."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory import media as memory_media
from adapters.memory.outbox import MemoryOutboxQueue
from adapters.memory.store import Store
from adapters.storage.memory import MemoryStorage
from adapters.storage.signing import TicketSigner
from adapters.text import graphemes
from application.media import processing
from application.media.event_handlers import AttachMedia, DeleteOwnerMedia, DeletePostMedia
from application.media.ports import MediaTx, StoredObject, TicketRefused, UploadRejected, UploadTicket
from application.media.processing import MAX_ATTEMPTS, ProcessMedia
from application.media.removing import (
    DeleteMedia,
    PurgeExpiredMedia,
    PurgeMedia,
    PurgeOrphanedObjects,
    ReconcileMedia,
    object_keys,
)
from application.media.tickets import CheckExpiredTickets, ReceiveUpload
from application.media.uploading import (
    BeginUpload,
    CompleteUpload,
    MediaDetails,
    RegisterUpload,
    StartedUpload,
    Uploader,
    UploadFile,
    UploadLimits,
    UploadResult,
)
from application.shared.deliveries import Settled
from application.shared.events import (
    AccountDeleted,
    AttachedMediaChanged,
    Event,
    MediaAttached,
    MediaSettled,
    PostDeleted,
)
from application.shared.ports import IdempotentRequest
from domain.media import (
    ATTACH_WITHIN,
    FailureReason,
    Media,
    MediaKind,
    MediaNotFound,
    MediaNotUploaded,
    MediaState,
    ProcessingResult,
    QuotaReached,
    Rendition,
)
from domain.media import MediaAttached as AttachedElsewhere
from domain.shared import EventId, MediaId, PostId, SessionId, Unavailable, UserId
from tests.port_contracts.stores import BEGINNING, new_id

ANN, BOB = UserId(1), UserId(2)
PHONE = SessionId(11)
POST = PostId(7)
DATA = b"a picture"
RESULT = ProcessingResult(
    kind=MediaKind.IMAGE,
    width=4,
    height=3,
    blurhash="L00000fQfQfQfQfQfQfQfQfQfQfQ",
    renditions=tuple(
        Rendition(name=name, type="image/webp", width=4, height=3, bytes=4) for name in ("small", "large")
    ),
)


class KilledError(Exception):
    """Raised at one step and at every later one: what was killed does nothing more."""


@dataclass
class FieldErrors:
    """Counts the steps that reach the store or the storage, of which each may be the last."""

    last: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.last is not None and self.steps > self.last:
            raise KilledError


@dataclass
class Fallible:
    """A storage that may be away, and that one may be killed before and after each call of."""

    real: MemoryStorage
    field_errors: FieldErrors
    away: bool = False
    made: datetime | None = BEGINNING - timedelta(days=1)
    after_put: Callable[[], object] = lambda: None

    def _step(self) -> None:
        self.field_errors.step()
        if self.away:
            raise Unavailable("the storage is away")

    async def put(self, key: str, source: Path, content_type: str) -> None:
        self._step()
        await self.real.put(key, source, content_type)
        self.after_put()
        self._step()

    async def fetch(self, key: str, target: Path) -> None:
        self._step()
        await self.real.fetch(key, target)

    async def stat(self, key: str) -> StoredObject | None:
        self._step()
        return await self.real.stat(key)

    async def delete(self, keys: Collection[str]) -> None:
        self._step()
        await self.real.delete(keys)
        self._step()

    async def list(self, prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        self._step()
        return await self.real.list(prefix, after, limit)

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        return self.real.ticket(key, size, content_type, until)

    def read(self, key: str, start: int = 0, length: int | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN201
        return self.real.read(key, start, length)

    async def check(self) -> None:
        self._step()

    async def created_at(self) -> datetime | None:
        self._step()
        return self.made


@dataclass
class LivingSessions:
    ended: set[SessionId]

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        return frozenset({*sessions} - self.ended)


@dataclass
class World:
    """Media in memory, with a clock that is set."""

    folder: Path
    limits: UploadLimits = UploadLimits(file_bytes=1_000, user_bytes=10_000, files_a_day=100)  # noqa: RUF009
    field_errors: FieldErrors = field(default_factory=FieldErrors)
    now: datetime = BEGINNING + timedelta(hours=1)
    elapsed: float = 0.0
    """Of the monotonic clock, for leases."""

    def __post_init__(self) -> None:
        self.store = Store(lambda: None)
        self.events: list[Event] = []
        self.numbers = itertools.count()
        self.storage = Fallible(
            MemoryStorage(TicketSigner(b"k" * 32, "http://a"), lambda: self.now), self.field_errors
        )
        self.reader = memory_media.MemoryMediaReader(self.store)
        self.jobs = memory_media.MemoryProcessingQueue(self.store, lambda: self.elapsed)
        self.processes: Callable[[], object] = lambda: None
        """Called while a file is processed; may raise."""
        storage, wake = self.storage, asyncio.Event()
        self.register = RegisterUpload(self.open_tx, new_id, lambda: "s" * 22, self.limits)
        self.upload_file = UploadFile(self.register, self.open_tx, storage, graphemes, wake.set)
        self.begin = BeginUpload(self.register, storage, graphemes, lambda: self.now)
        self.complete = CompleteUpload(self.open_tx, storage, wake.set)
        self.purge = PurgeMedia(self.open_tx, storage)
        self.ended: set[SessionId] = set()
        sessions = LivingSessions(self.ended)
        self.take = ReceiveUpload(self.open_tx, self.reader, storage, sessions)
        self.check_tickets = CheckExpiredTickets(
            self.open_tx, self.reader, storage, sessions, self.purge, lambda: self.now
        )
        self.sweep_objects = PurgeOrphanedObjects(self.reader, storage, lambda: self.now)
        self.remove = DeleteMedia(self.open_tx, self.purge)
        self.process = ProcessMedia(
            self.open_tx,
            self.jobs,
            storage,
            self._processor,
            self._temporary,
            lambda: self.now,
            wake,
        )
        self.attach = AttachMedia(self.open_tx)
        self.forget_post = DeletePostMedia(self.open_tx, self.purge)
        self.forget_owner = DeleteOwnerMedia(self.open_tx, self.purge)
        self.sweep = PurgeExpiredMedia(self.open_tx, self.reader, self.purge, lambda: self.now)
        self.reconcile = ReconcileMedia(self.open_tx, self.reader, storage, lambda: self.now)

    @asynccontextmanager
    async def open_tx(self) -> AsyncIterator[MediaTx]:
        self.field_errors.step()
        open_ = memory_media.transactions(self.store, new_id, lambda: self.now)
        async with open_() as tx:
            yield tx
            self.field_errors.step()  # before the commit
        self.field_errors.step()  # and after it

    def file(self, data: bytes = DATA) -> Path:
        path = self.folder / f"upload-{next(self.numbers)}"
        path.write_bytes(data)
        return path

    async def upload(self, owner: UserId = ANN, key: str | None = None) -> UploadResult:
        idempotent_request = None if key is None else IdempotentRequest("media", key, "print", owner)
        return await self.upload_file(owner, self.file(), len(DATA), MediaDetails(), idempotent_request)

    async def begins(self) -> StartedUpload:
        return await self.begin(Uploader(ANN, PHONE), len(DATA), "image/png", MediaDetails(), None)

    async def ready(self, owner: UserId = ANN) -> Media:
        media = (await self.upload(owner)).media
        while await self.process():
            pass
        return await self.read(media.id)

    async def attaches(self, *ids: MediaId, post: PostId = POST, author: UserId = ANN) -> None:
        event = MediaAttached(post_id=post, author_id=author, media_ids=ids, open=True)
        await self.attach(event, EventId(1))

    async def deletes_post(self, post: PostId = POST) -> None:
        await self.forget_post(PostDeleted(post_id=post, author_id=ANN, reply_to=None), EventId(2))

    async def read(self, media_id: MediaId) -> Media:
        return (await self.reader.media([media_id]))[media_id]

    async def rows(self) -> Sequence[Media]:
        return await self.reader.all_after(MediaId(0), 1_000)

    async def keys(self) -> set[str]:
        return {stored.key for stored in await self.storage.real.list()}

    async def told(self) -> list[Event]:
        """The facts that were not given before."""
        queue = MemoryOutboxQueue(self.store, lambda: self.elapsed)
        self.elapsed += 1
        fresh: list[Event] = []
        while deliveries := await queue.claim_events(100, timedelta(minutes=1)):
            fresh += [delivery.event for delivery in deliveries if delivery.event is not None]
            await queue.settle([Settled(delivery) for delivery in deliveries])
        return fresh

    async def _processor(self, upload: Path, into: Path, progress: Callable[[int], None]) -> ProcessingResult:
        assert upload.stat().st_size == len(DATA)  # noqa: ASYNC240 - it is short
        progress(50)
        outcome = self.processes()
        if asyncio.iscoroutine(outcome):
            await outcome
        for rendition in RESULT.renditions:
            (into / f"{rendition.name}.webp").write_bytes(b"made")
        return RESULT

    @asynccontextmanager
    async def _temporary(self) -> AsyncIterator[Path]:
        with TemporaryDirectory(dir=self.folder) as made:
            yield Path(made)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def raising(error: Exception) -> Callable[[], object]:
    def raises() -> None:
        raise error

    return raises


async def agree(world: World) -> None:
    """No object without its row, no row without its objects."""
    rows = await world.rows()
    assert await world.keys() == {key for media in rows for key in object_keys(media)}


# --- Coming in --------------------------------------------------------------------------------------


async def test_an_upload_becomes_what_is_shown_and_is_told(world: World) -> None:
    media = await world.ready()
    assert (media.state, media.result, media.progress) == (MediaState.READY, RESULT, 100)
    assert await world.keys() == {media.key(one) for one in RESULT.renditions}
    assert [event for event in await world.told() if isinstance(event, MediaSettled)] == [
        MediaSettled(media_id=media.id, owner_id=ANN)
    ]


async def test_the_same_attempt_goes_on_where_the_first_was_cut_short(world: World) -> None:
    world.storage.away = True
    with pytest.raises(Unavailable):
        await world.upload(key="k")
    world.storage.away = False
    second, third = await world.upload(key="k"), await world.upload(key="k")
    assert second.media.id == third.media.id
    assert (third.media.state, third.replayed) == (MediaState.PROCESSING, True)
    assert len(await world.rows()) == 1


async def test_what_is_deleted_while_it_comes_in_leaves_nothing(world: World) -> None:
    async def of_somebody_else() -> None:
        for media in await world.rows():
            await world.remove(ANN, media.id)

    put = world.storage.real.put

    async def late(key: str, source: Path, content_type: str) -> None:
        await of_somebody_else()
        await put(key, source, content_type)

    object.__setattr__(world.storage, "put", late)
    with pytest.raises(MediaNotFound):
        await world.upload()
    assert await world.keys() == set()
    assert await world.rows() == []


async def test_a_direct_upload_is_complete_when_all_of_it_is_there_and_once(world: World) -> None:
    begun = await world.begins()
    with pytest.raises(MediaNotUploaded):
        await world.complete(ANN, begun.media.id)
    await world.storage.real.put(begun.media.upload, world.file(b"too short"[:3]), "image/png")
    with pytest.raises(MediaNotUploaded):
        await world.complete(ANN, begun.media.id)
    assert await world.keys() == set()
    await world.storage.real.put(begun.media.upload, world.file(), "image/png")
    with pytest.raises(MediaNotFound):
        await world.complete(BOB, begun.media.id)
    first, second = await asyncio.gather(*(world.complete(ANN, begun.media.id) for _ in range(2)))
    assert first == second
    assert first.state is MediaState.PROCESSING
    assert await world.process()
    assert not await world.process()
    assert (await world.complete(ANN, begun.media.id)).state is MediaState.READY


async def test_many_who_announce_at_once_stay_within_the_quota(tmp_path: Path) -> None:
    world = World(tmp_path, UploadLimits(file_bytes=10, user_bytes=35, files_a_day=100))
    outcomes = await asyncio.gather(
        *(world.register(ANN, 10, MediaDetails(), None) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(one, UploadResult) for one in outcomes) == 3
    assert sum(isinstance(one, QuotaReached) for one in outcomes) == 7
    await world.register(BOB, 10, MediaDetails(), None)


@given(st.lists(st.one_of(st.integers(1, 9), st.just("remove"), st.just("a day")), max_size=40))
async def test_nobody_ever_has_more_than_the_quota_and_nobody_is_refused_less(
    steps: list[int | str],
) -> None:
    world = World(Path(), UploadLimits(file_bytes=9, user_bytes=30, files_a_day=6))
    number = itertools.count()

    def id_now() -> int:
        return (int(world.now.timestamp() * 1000) << 16) + next(number)

    register = RegisterUpload(world.open_tx, id_now, lambda: "s" * 22, world.limits)
    there: list[tuple[MediaId, int, datetime]] = []
    removed: list[tuple[MediaId, int, datetime]] = []
    for step in steps:
        if step == "a day":
            world.now += timedelta(hours=25)
        elif step == "remove":
            if there:
                removed.append(there.pop(0))
                await world.remove(ANN, removed[-1][0])
        elif isinstance(step, int):
            # What was uploaded today counts, deleted or not.
            counted = there + [one for one in removed if one[2] == world.now]
            today = [one for one in counted if one[2] == world.now]
            fits = sum(size for _, size, _ in counted) + step <= 30 and len(today) < 6
            if fits:
                media = (await register(ANN, step, MediaDetails(), None)).media
                there.append((media.id, step, world.now))
            else:
                with pytest.raises(QuotaReached):
                    await register(ANN, step, MediaDetails(), None)
    assert [media.id for media in await world.rows()] == [one[0] for one in there]


# --- Tickets ----------------------------------------------------------------------------------------


async def completes(world: World, begun: StartedUpload) -> None:
    await world.take(begun.media.upload, world.file(), "image/png")
    await world.complete(ANN, begun.media.id)


async def is_removed(world: World, begun: StartedUpload) -> None:
    await world.remove(ANN, begun.media.id)


async def is_logged_out(world: World, _begun: StartedUpload) -> None:
    world.ended.add(PHONE)


async def loses_the_account(world: World, _begun: StartedUpload) -> None:
    await world.forget_owner(AccountDeleted(user_id=ANN), EventId(1))


ENDS = {
    "deleted": is_removed,
    "completed": completes,
    "logged out": is_logged_out,
    "account deleted": loses_the_account,
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("when", ["before", "during"])
async def test_me5_a_ticket_ends_with_what_it_was_given_for_and_leaves_no_byte(
    world: World, end: str, when: str
) -> None:
    begun = await world.begins()
    key = begun.media.upload
    if when == "before":
        await ENDS[end](world, begun)
        with pytest.raises(TicketRefused):
            await world.take.check(key)
    else:
        put = world.storage.real.put

        async def late(key: str, source: Path, content_type: str) -> None:
            if end == "completed":
                await put(key, source, content_type)
                await world.complete(ANN, begun.media.id)
            else:
                await ENDS[end](world, begun)
            while await world.process():
                pass
            await put(key, source, content_type)

        object.__setattr__(world.storage, "put", late)
    while await world.process():
        pass
    object.__setattr__(world.storage.real, "now", lambda: world.now)
    with pytest.raises(TicketRefused):
        await world.take(key, world.file(), "image/png")
    assert key not in await world.keys()


async def test_a_ticket_that_nobody_was_given_is_refused(world: World) -> None:
    media = (await world.register(ANN, 3, MediaDetails(), None)).media  # without a ticket
    for key in (media.upload, f"{media.prefix}large.webp", "17/x/upload", "x", ""):
        with pytest.raises(TicketRefused):
            await world.take.check(key)


async def test_what_a_ticket_leaves_in_a_storage_of_its_own_goes_soon_after_its_end(world: World) -> None:
    """As on S3, where nobody asks Waggle before an upload."""
    deleted, completed, left, open_ = [await world.begins() for _ in range(4)]
    real = world.storage.real
    for begun in (completed, left, open_):
        await real.put(begun.media.upload, world.file(), "image/png")
    await world.remove(ANN, deleted.media.id)
    await world.complete(ANN, completed.media.id)
    await world.process()
    orphans = {begun.media.upload for begun in (deleted, completed)}
    for key in orphans:
        await real.put(key, world.file(), "image/png")
    assert await world.check_tickets() == 0  # they may be used still

    world.now += timedelta(minutes=13)
    assert await world.check_tickets() == 4
    assert await world.check_tickets() == 0
    assert not orphans & await world.keys()
    assert {left.media.upload, open_.media.upload} <= await world.keys()

    for key in orphans:  # begun in time, and slow
        await real.put(key, world.file(), "image/png")
    await world.attaches(open_.media.id)
    world.now += timedelta(minutes=50)
    assert await world.check_tickets() == 4
    assert [media.id for media in await world.rows()] == [completed.media.id, open_.media.id]
    await agree(world)
    world.now += timedelta(days=2)
    assert await world.check_tickets() == 0


async def test_what_came_by_a_ticket_of_an_ended_session_is_not_kept(world: World) -> None:
    begun = await world.begins()
    await world.storage.real.put(begun.media.upload, world.file(), "image/png")
    world.ended.add(PHONE)
    world.now += timedelta(minutes=13)
    await world.check_tickets()
    assert await world.keys() == set()
    with pytest.raises(MediaNotUploaded):
        await world.complete(ANN, begun.media.id)


async def test_while_the_storage_is_away_the_look_waits(world: World) -> None:
    begun = await world.begins()
    await world.remove(ANN, begun.media.id)
    await world.storage.real.put(begun.media.upload, world.file(), "image/png")
    world.now += timedelta(minutes=13)
    world.storage.away = True
    with pytest.raises(Unavailable):
        await world.check_tickets()
    world.storage.away = False
    assert await world.check_tickets() == 1
    assert await world.keys() == set()


# --- Processing -------------------------------------------------------------------------------------


async def test_what_is_refused_fails_with_its_reason_and_keeps_no_byte(world: World) -> None:
    world.processes = raising(UploadRejected(FailureReason.DAMAGED))
    media = await world.ready()
    assert (media.state, media.reason) == (MediaState.FAILED, FailureReason.DAMAGED)
    assert await world.keys() == set()
    assert MediaSettled(media_id=media.id, owner_id=ANN, reason="damaged") in await world.told()


async def test_however_long_the_storage_is_away_no_media_fails_for_that(world: World) -> None:
    media = (await world.upload()).media
    world.storage.away = True
    for _ in range(4 * MAX_ATTEMPTS):
        assert await world.process()
        world.elapsed += 61  # the longest pause
    assert (await world.read(media.id)).state is MediaState.PROCESSING
    world.storage.away = False
    assert await world.process()
    assert (await world.read(media.id)).state is MediaState.READY


@pytest.mark.parametrize("error", [Unavailable("the child ended with 1"), KilledError()], ids=str)
async def test_what_ends_whoever_looks_at_it_fails_after_some_attempts(
    world: World, error: Exception
) -> None:
    media = (await world.upload()).media
    calls = 0

    def ends() -> None:
        nonlocal calls
        calls += 1
        raise error

    world.processes = ends
    for _ in range(MAX_ATTEMPTS + 1):
        with suppress(KilledError):
            assert await world.process()
        world.elapsed += 100
    now = await world.read(media.id)
    assert (now.state, now.reason, calls) == (MediaState.FAILED, FailureReason.TOO_COSTLY, MAX_ATTEMPTS)
    assert await world.keys() == set()


async def test_an_upload_that_is_lost_fails(world: World) -> None:
    media = (await world.upload()).media
    await world.storage.real.delete([media.upload])
    assert await world.process()
    assert (await world.read(media.id)).reason is FailureReason.LOST


@pytest.mark.parametrize("made", [None, BEGINNING + timedelta(days=365 * 5)])
async def test_an_upload_that_is_missing_from_a_storage_made_anew_waits_for_hours(
    world: World, made: datetime | None
) -> None:
    media = (await world.upload()).media
    world.now = media.created_at
    data = world.storage.real._objects.pop(media.upload)
    world.storage.made = made
    tries = 0
    while world.now < media.created_at + timedelta(hours=7):
        tries += await world.process()
        world.now += timedelta(minutes=1)
        world.elapsed += 60
    assert (await world.read(media.id)).state is MediaState.PROCESSING
    assert 30 < tries < 100  # with growing pauses
    world.storage.real._objects[media.upload] = data  # the right disk is back
    world.elapsed += 900
    assert await world.process()
    assert (await world.read(media.id)).state is MediaState.READY


async def test_an_upload_that_never_comes_back_is_lost_in_the_end(world: World) -> None:
    media = (await world.upload()).media
    await world.storage.real.delete([media.upload])
    world.storage.made, world.now = None, media.created_at + timedelta(hours=8)
    assert await world.process()
    assert (await world.read(media.id)).reason is FailureReason.LOST


async def test_what_is_deleted_while_it_is_processed_leaves_nothing(world: World) -> None:
    media = (await world.upload()).media
    world.processes = lambda: world.remove(ANN, media.id)
    assert await world.process()
    assert await world.rows() == []
    assert await world.keys() == set()
    assert not [event for event in await world.told() if isinstance(event, MediaSettled)]


async def test_who_lost_the_lease_stops_and_the_next_one_ends_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "LEASE", timedelta(seconds=0.1))
    media = (await world.upload()).media
    stopped = asyncio.Event()

    async def hangs() -> None:
        world.elapsed += 100
        second = await world.jobs.claim(timedelta(minutes=1))
        assert second is not None
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    world.processes = hangs
    assert await world.process()
    assert stopped.is_set()
    assert media.upload in await world.keys()
    world.elapsed += 100
    world.processes = lambda: None
    assert await world.process()
    assert (await world.read(media.id)).state is MediaState.READY


async def test_who_is_stopped_gives_the_job_back_at_once_and_it_counts_for_nothing(world: World) -> None:
    await world.upload()
    begun = asyncio.Event()

    async def hangs() -> None:
        begun.set()
        await asyncio.Event().wait()

    world.processes = hangs
    task = asyncio.create_task(world.process())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    job = await world.jobs.claim(timedelta(minutes=1))
    assert job is not None
    assert job.attempt == 1


# --- Posts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attached_first", [True, False])
async def test_a_post_hears_of_its_media_whatever_came_first(world: World, attached_first: bool) -> None:
    media = (await world.upload()).media
    if attached_first:
        await world.attaches(media.id)
    assert await world.process()
    if not attached_first:
        await world.attaches(media.id)
    now = await world.read(media.id)
    assert (now.state, now.post, now.open) == (MediaState.READY, POST, True)
    told = AttachedMediaChanged(media_id=media.id, post_id=POST, owner_id=ANN, version=now.version)
    assert told in await world.told()


async def test_only_what_is_theirs_and_free_is_attached(world: World) -> None:
    one, other = await world.ready(), await world.ready(BOB)
    await world.attaches(one.id, other.id, MediaId(99))
    await world.attaches(one.id, post=PostId(8))
    assert [(await world.read(media.id)).post for media in (one, other)] == [POST, None]
    with pytest.raises(AttachedElsewhere):
        await world.remove(ANN, one.id)


async def test_what_a_post_has_is_never_swept_and_what_none_has_is(world: World) -> None:
    kept, left = await world.ready(), await world.ready()
    begun = await world.begins()
    await world.storage.real.put(begun.media.upload, world.file(), "image/png")
    await world.attaches(kept.id)
    assert await world.sweep() == 0
    world.now += ATTACH_WITHIN
    assert await world.sweep() == 2
    assert [media.id for media in await world.rows()] == [kept.id]
    assert left.id != kept.id
    await agree(world)


async def test_what_is_attached_while_the_sweep_looks_is_not_swept(world: World) -> None:
    media = await world.ready()
    world.now += ATTACH_WITHIN
    stale = world.reader.stale

    class Slow(memory_media.MemoryMediaReader):
        async def stale(self, before: MediaId, limit: int) -> Sequence[Media]:
            found = await stale(before, limit)
            await world.attaches(media.id)
            return found

    sweep = PurgeExpiredMedia(world.open_tx, Slow(world.store), world.purge, lambda: world.now)
    assert await sweep() == 0
    assert (await world.read(media.id)).post == POST


async def test_with_its_post_every_byte_goes_also_when_the_storage_was_away(world: World) -> None:
    media = await world.ready()
    await world.attaches(media.id)
    world.storage.away = True
    await world.deletes_post()
    assert (await world.read(media.id)).deleted
    world.storage.away = False
    assert await world.sweep() == 1
    assert await world.rows() == []
    assert await world.keys() == set()


async def test_with_an_account_everything_goes_and_nothing_of_others(world: World) -> None:
    other = await world.ready(BOB)
    for _ in range(3):
        await world.attaches((await world.ready()).id)
    await world.upload()
    for _ in range(2):
        await world.forget_owner(AccountDeleted(user_id=ANN), EventId(1))
    assert [media.id for media in await world.rows()] == [other.id]
    await agree(world)


# --- Comparing --------------------------------------------------------------------------------------


async def test_comparing_finds_both_kinds_of_drift_and_mends_it_unless_it_is_a_dry_run(world: World) -> None:
    media, fine = await world.ready(), await world.ready()
    await world.attaches(media.id)
    await world.told()
    lost = media.key(RESULT.renditions[0])
    await world.storage.real.delete([lost])
    strangers = {f"{new_id()}/{'x' * 22}/large.webp", f"{fine.prefix}upload"}
    for key in strangers:
        await world.storage.real.put(key, world.file(), "image/webp")
    assert (await world.reconcile(dry_run=False)).without_row == 0  # they may be under way
    assert (await world.read(media.id)).reason is FailureReason.LOST
    assert [type(event) for event in await world.told()] == [AttachedMediaChanged]
    world.now += timedelta(hours=2)
    seen = await world.reconcile(dry_run=True)
    assert (seen.rows, seen.without_row, seen.without_object) == (2, 3, 0)
    assert strangers <= await world.keys()
    await world.reconcile(dry_run=False)
    await agree(world)
    assert (await world.read(fine.id)).state is MediaState.READY


async def test_objects_without_a_row_go_by_themselves_some_pages_at_a_time(world: World) -> None:
    sweep = PurgeOrphanedObjects(world.reader, world.storage, lambda: world.now, pages=1)
    fine = await world.ready()
    strangers = [f"{fine.id + number}/{'x' * 22}/upload" for number in range(1, 4)]
    foreign = {"backups/today.tar", f"{new_id()}/notes.txt", "probe/x"}
    for key in (*strangers, *foreign, f"{fine.prefix}upload"):
        await world.storage.real.put(key, world.file(), "image/png")
    list_, asked = world.storage.real.list, 0

    async def small(prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        nonlocal asked
        asked += 1
        return await list_(prefix, after, min(limit, 2))

    object.__setattr__(world.storage, "list", small)
    assert await sweep() == 0  # too young
    for _ in range(10):
        await sweep()
    world.now += timedelta(minutes=19)
    asked = 0
    assert await sweep() == 0
    assert asked == 0  # the next round has not begun
    world.now += timedelta(minutes=1)
    removed, most = 0, 0
    for _ in range(10):  # more than a round takes
        before = asked
        removed += await sweep()
        most = max(most, asked - before)
    assert (removed, most) == (4, 1)
    assert await world.keys() == foreign | {fine.key(one) for one in RESULT.renditions}


async def test_the_storage_of_another_database_is_left_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {f"{number}/{'x' * 22}/large.webp" for number in range(1, 302)}
    for key in keys:
        await world.storage.real.put(key, world.file(), "image/webp")
    world.now += timedelta(hours=2)
    assert await world.sweep_objects() == 0
    assert await world.keys() == keys
    assert "belong to no media of this database" in caplog.text
    assert (await world.reconcile(dry_run=False)).without_row == 301  # if it is wanted


# --- Being killed -----------------------------------------------------------------------------------


async def everything(world: World, begun: set[str]) -> None:
    """Everything that can happen to media; notes what a relay would bring again."""
    one = (await world.upload(key="one")).media
    direct = await world.begins()
    await world.storage.put(direct.media.upload, world.file(), "image/png")
    await world.complete(ANN, direct.media.id)
    await world.attaches(direct.media.id)
    while await world.process():
        pass
    await world.attaches(one.id, post=PostId(8))
    removed = (await world.upload(key="removed")).media
    await world.process()
    await world.remove(ANN, removed.id)
    begun.add("delete")
    await world.deletes_post()
    await world.upload(key="late")


async def test_wherever_one_is_killed_a_sweep_leaves_rows_and_objects_that_agree(tmp_path: Path) -> None:
    steps = FieldErrors()
    await everything(World(tmp_path, field_errors=steps), set())
    assert steps.steps > 50
    for last in range(steps.steps):
        world, begun = World(tmp_path, field_errors=FieldErrors(last)), set[str]()
        with pytest.raises(KilledError):
            await everything(world, begun)
        world.field_errors.last = None
        world.elapsed += 60  # the leases of the dead end
        if "delete" in begun:
            await world.deletes_post()  # as the relay brings it again
        while await world.process():
            pass
        world.now += timedelta(days=2)
        await world.sweep()
        await world.reconcile(dry_run=False)
        await agree(world)
        for media in await world.rows():
            assert (media.state, media.deleted) == (MediaState.READY, False), last
            assert media.post is not None
