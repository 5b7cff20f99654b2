"""The media use cases on memory adapters, for tests: with a settable clock, an unavailable storage, and kills at any step."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.memory.media.queue import MemoryProcessingQueue
from adapters.memory.media.store import MemoryMediaReader, transactions
from adapters.memory.outbox import MemoryOutboxQueue
from adapters.memory.store import Store
from adapters.storage.memory import MemoryStorage
from adapters.storage.signing import TicketSigner
from adapters.text import graphemes
from application.media.event_handlers import AttachMedia, DeleteOwnerMedia, DeletePostMedia
from application.media.ports import MediaTx, StoredObject, UploadTicket
from application.media.processing import ProcessMedia
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
    Event,
    MediaAttached,
    PostDeleted,
)
from application.shared.ports import IdempotentRequest
from domain.media import (
    Media,
    MediaKind,
    ProcessingResult,
    Rendition,
)
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
    """Raised at one step and at every later one, because a killed process does nothing more."""


@dataclass
class CrashPoint:
    """Counts the steps that reach the store or the storage, and kills the process after `last` steps."""

    last: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.last is not None and self.steps > self.last:
            raise KilledError


@dataclass
class FallibleStorage:
    """A storage that may be unavailable. The process may be killed before and after each call."""

    real: MemoryStorage
    crash_point: CrashPoint
    unavailable: bool = False
    created: datetime | None = BEGINNING - timedelta(days=1)
    after_put: Callable[[], object] = lambda: None

    def _step(self) -> None:
        self.crash_point.step()
        if self.unavailable:
            raise Unavailable("the storage is unavailable")

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
        return self.created


@dataclass
class ActiveSessions:
    ended_sessions: set[SessionId]

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        return frozenset({*sessions} - self.ended_sessions)


@dataclass
class MediaApp:
    """The media use cases on memory adapters, with a clock that the tests set."""

    folder: Path
    limits: UploadLimits = UploadLimits(file_bytes=1_000, user_bytes=10_000, files_a_day=100)  # noqa: RUF009
    crash_point: CrashPoint = field(default_factory=CrashPoint)
    now: datetime = BEGINNING + timedelta(hours=1)
    elapsed: float = 0.0
    """The monotonic clock, for leases."""

    def __post_init__(self) -> None:
        self.store = Store(lambda: None)
        self.events: list[Event] = []
        self.numbers = itertools.count()
        self.storage = FallibleStorage(
            MemoryStorage(TicketSigner(b"k" * 32, "http://a"), lambda: self.now), self.crash_point
        )
        self.reader = MemoryMediaReader(self.store)
        self.jobs = MemoryProcessingQueue(self.store, lambda: self.elapsed)
        self.processes: Callable[[], object] = lambda: None
        """Called while a file is processed; may raise."""
        storage, wake = self.storage, asyncio.Event()
        self.register = RegisterUpload(self.open_tx, new_id, lambda: "s" * 22, self.limits)
        self.upload_file = UploadFile(self.register, self.open_tx, storage, graphemes, wake.set)
        self.begin = BeginUpload(self.register, storage, graphemes, lambda: self.now)
        self.complete = CompleteUpload(self.open_tx, storage, wake.set)
        self.purge = PurgeMedia(self.open_tx, storage)
        self.ended_sessions: set[SessionId] = set()
        sessions = ActiveSessions(self.ended_sessions)
        self.receive = ReceiveUpload(self.open_tx, self.reader, storage, sessions)
        self.check_tickets = CheckExpiredTickets(
            self.open_tx, self.reader, storage, sessions, self.purge, lambda: self.now
        )
        self.purge_orphans = PurgeOrphanedObjects(self.reader, storage, lambda: self.now)
        self.delete_media = DeleteMedia(self.open_tx, self.purge)
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
        self.delete_post_media = DeletePostMedia(self.open_tx, self.purge)
        self.delete_owner_media = DeleteOwnerMedia(self.open_tx, self.purge)
        self.purge_expired = PurgeExpiredMedia(self.open_tx, self.reader, self.purge, lambda: self.now)
        self.reconcile = ReconcileMedia(self.open_tx, self.reader, storage, lambda: self.now)

    @asynccontextmanager
    async def open_tx(self) -> AsyncIterator[MediaTx]:
        self.crash_point.step()
        open_ = transactions(self.store, new_id, lambda: self.now)
        async with open_() as tx:
            yield tx
            self.crash_point.step()  # before the commit
        self.crash_point.step()  # and after it

    def file(self, data: bytes = DATA) -> Path:
        path = self.folder / f"upload-{next(self.numbers)}"
        path.write_bytes(data)
        return path

    async def upload(self, owner: UserId = ANN, key: str | None = None) -> UploadResult:
        idempotent_request = None if key is None else IdempotentRequest("media", key, "print", owner)
        return await self.upload_file(owner, self.file(), len(DATA), MediaDetails(), idempotent_request)

    async def begin_upload(self) -> StartedUpload:
        return await self.begin(Uploader(ANN, PHONE), len(DATA), "image/png", MediaDetails(), None)

    async def ready(self, owner: UserId = ANN) -> Media:
        media = (await self.upload(owner)).media
        while await self.process():
            pass
        return await self.read(media.id)

    async def attach_media(self, *ids: MediaId, post: PostId = POST, author: UserId = ANN) -> None:
        event = MediaAttached(post_id=post, author_id=author, media_ids=ids, open=True)
        await self.attach(event, EventId(1))

    async def delete_post(self, post: PostId = POST) -> None:
        await self.delete_post_media(PostDeleted(post_id=post, author_id=ANN, reply_to=None), EventId(2))

    async def read(self, media_id: MediaId) -> Media:
        return (await self.reader.media([media_id]))[media_id]

    async def rows(self) -> Sequence[Media]:
        return await self.reader.all_after(MediaId(0), 1_000)

    async def keys(self) -> set[str]:
        return {stored.key for stored in await self.storage.real.list()}

    async def published(self) -> list[Event]:
        """The events that were published since the last call."""
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
            (into / f"{rendition.name}.webp").write_bytes(b"file")
        return RESULT

    @asynccontextmanager
    async def _temporary(self) -> AsyncIterator[Path]:
        with TemporaryDirectory(dir=self.folder) as name:
            yield Path(name)


def raising(error: Exception) -> Callable[[], object]:
    def raises() -> None:
        raise error

    return raises


async def assert_consistent(app: MediaApp) -> None:
    """Assert that every object has its row, and every row its objects."""
    rows = await app.rows()
    assert await app.keys() == {key for media in rows for key in object_keys(media)}
