"""What media needs from outside."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from application.shared.ports import Idempotency, Outbox
from domain.media import FailureReason, Media, ProcessingResult
from domain.shared import Forbidden, MediaId, PostId, SessionId, UserId


class MediaStore(Protocol):
    """The rows of media, within a transaction."""

    async def lock_owner(self, owner: UserId) -> "QuotaUsage":
        """What counts for the user's quota; until the transaction ends nobody else who locks it sees or changes it."""
        ...

    async def add(self, media: Media) -> None:
        """Add the row, and note the upload for the quota of the day: that note stays when the row goes."""
        ...

    async def record_ticket(
        self, media_id: MediaId, session: SessionId, until: datetime, look_at: datetime
    ) -> None:
        """Note that the session got a ticket for the upload of this media, good `until` then, and that its objects are
        to be looked at `look_at`. A later ticket replaces an earlier one."""
        ...

    async def record_check(self, media_id: MediaId, again: datetime | None) -> None:
        """Note that its objects were looked at after the end of its ticket, and when to look again."""
        ...

    async def anonymise_uploads(self, owner: UserId) -> None:
        """Let the notes of the user's uploads be nobody's. What is to be looked at stays so."""
        ...

    async def purge_upload_records(self, before: MediaId) -> None:
        """Delete notes of uploads with ids below `before` that need no look any more."""
        ...

    async def get(self, media_id: MediaId) -> Media:
        """Locked until the transaction ends; raises MediaNotFound. Who locks several takes the smaller id first."""
        ...

    async def save(self, media: Media) -> None:
        """Replace everything that can change. What is not PROCESSING any more is no job any more."""
        ...

    async def delete(self, media_id: MediaId) -> None:
        """Delete the row. The caller has removed the objects before. Harmless to repeat."""
        ...

    async def of_post(self, post: PostId) -> Sequence[Media]:
        """Locked, smaller ids first."""
        ...

    async def of_owner(self, owner: UserId, after: MediaId, limit: int) -> Sequence[Media]:
        """Locked, smaller ids first, those above `after`; deleted ones aside."""
        ...


class QuotaUsage(NamedTuple):
    """What an owner has used. Uploads of the 24 hours before now count also if they are deleted since: else who uploads
    and deletes in turns has no limit."""

    bytes: int
    """Of these, and of the older ones that are there."""
    files_today: int


@dataclass(frozen=True, slots=True)
class MediaTx:
    media: MediaStore
    outbox: Outbox
    idempotency: Idempotency


class MediaReader(Protocol):
    """Reads outside of transactions. Deleted media are given too, and say so."""

    async def media(self, ids: Collection[MediaId]) -> Mapping[MediaId, Media]:
        """Those that exist, of at most 1,000."""
        ...

    async def stale(self, before: MediaId, limit: int) -> Sequence[Media]:
        """Up to `limit` that are to be removed: deleted ones of any age, and those with ids below `before` that no
        post has. Smaller ids first."""
        ...

    async def ticket_session(self, media_id: MediaId) -> SessionId | None:
        """The session that got the last ticket for the upload of this media."""
        ...

    async def expired_tickets(self, now: datetime, limit: int) -> Sequence["ExpiredTicket"]:
        """Up to `limit` tickets whose objects are to be looked at by `now`, the longest due first."""
        ...

    async def all_after(self, after: MediaId, limit: int) -> Sequence[Media]:
        """A page of all there is, smaller ids first: for the sweep that compares rows with objects."""
        ...


class ExpiredTicket(NamedTuple):
    media_id: MediaId
    secret: str
    session: SessionId
    until: datetime

    @property
    def prefix(self) -> str:
        """As of the media, which may be gone."""
        return f"{self.media_id}/{self.secret}/"


class Sessions(Protocol):
    """What media asks the module that knows sessions."""

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        """Those that have not ended, whose accounts are there; as of now."""
        ...


class ProcessingJob(NamedTuple):
    media: Media
    attempt: int
    """1 the first time."""


class ProcessingQueue(Protocol):
    """The media that are PROCESSING, as a queue. Each call is a transaction of its own."""

    async def claim(self, lease: timedelta) -> ProcessingJob | None:
        """Lease the oldest job that is due and nobody has, by the store's clock."""
        ...

    async def progress(self, job: ProcessingJob, percent: int, lease: timedelta) -> bool:
        """Note how far it is and keep the lease for so long again; False, and no effect, if the lease was lost or
        the media is deleted: then stop working on it."""
        ...

    async def retry(self, job: ProcessingJob, after: timedelta, *, counted: bool = True) -> None:
        """Give it back, to be claimed again `after` from now. If it is not counted, the next attempt has the same
        number. No effect if the lease was lost."""
        ...


# --- Storage ----------------------------------------------------------------------------------------


class StoredObject(NamedTuple):
    key: str
    bytes: int
    modified: datetime
    """UTC, by the storage's clock."""


class UploadTicket(NamedTuple):
    """Leave to upload one object straight to the storage."""

    method: str
    url: str
    headers: Mapping[str, str]
    """To be sent exactly so."""
    until: datetime


class Storage(Protocol):
    """Objects by their keys: 1 to 200 of `[a-z0-9A-Z_./-]`, no empty or dotted segment; where there is `a/b`, nobody
    puts `a`.

    Every method raises Unavailable when the storage is away or does not answer within its timeouts (1 s to connect,
    4 s for each answer; a transfer has as long as it makes 64 KB a second); nothing is retried here, but a breaker may
    refuse at once."""

    async def put(self, key: str, source: Path, content_type: str) -> None:
        """Store the file's bytes, durable when it returns; whoever reads meanwhile gets what was there before or
        all of it. Replaces. The file stays, or is moved if the storage is on the same file system."""
        ...

    async def fetch(self, key: str, target: Path) -> None:
        """Write the object's bytes to the file. Raises NoSuchObject."""
        ...

    def read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes, in pieces of at most 256 KB. Entering raises NoSuchObject."""
        ...

    async def stat(self, key: str) -> StoredObject | None: ...

    async def delete(self, keys: Collection[str]) -> None:
        """Those of them that are there. Harmless to repeat."""
        ...

    async def list(self, prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        """Up to `limit` objects whose keys begin with `prefix` and are greater than `after`, in their order. What is
        being put is not among them, nor what somebody else left there under a name that is no key."""
        ...

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        """To put exactly so many bytes of that type there, once or more often, until then. No network is used."""
        ...

    async def check(self) -> None:
        """Raises Unavailable if it cannot be used."""
        ...

    async def made_at(self) -> datetime | None:
        """Since when it is there, by its own clock: an object from before that is missing may come back, when the right
        disk or server does. None if it is being made."""
        ...


class NoSuchObject(Exception):
    """The storage has nothing of that key."""


class TicketRefused(Forbidden):
    """The ticket is altered or has expired, or this is not what it was given for."""

    code = "ticket_refused"


class TicketTerms(NamedTuple):
    """What a ticket allows: exactly this."""

    key: str
    size: int
    content_type: str


class TicketVerifier(Protocol):
    """The tickets of a storage that Waggle serves by itself, at `/media/uploads/{key}?…`."""

    def check(self, key: str, query: Mapping[str, str]) -> TicketTerms:
        """What the ticket allows, whose key and parameters these are. Raises TicketRefused."""
        ...


class AddressVerifier(Protocol):
    """The other side of `application.shared.attachments.Addresses.closed`."""

    def check(self, path: str, until: str, signature: str) -> bool:
        """Whether the address was given with these parameters, and is still good. Takes any text."""
        ...


# --- Processing -------------------------------------------------------------------------------------


class UploadRejected(Exception):
    """The upload cannot be made into anything, however often one tries."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Processor(Protocol):
    async def __call__(self, upload: Path, into: Path, progress: Callable[[int], None]) -> ProcessingResult:
        """Make the renditions of what lies at `upload`, as files `<name>.<extension>` in the empty folder `into`.
        Runs in a process of its own that has little memory and time and no network. Calls `progress` with percents.
        Raises UploadRejected; and Unavailable if it could not run for a reason that is not the upload's."""
        ...


OpenFolder: TypeAlias = Callable[[], AbstractAsyncContextManager[Path]]
"""An empty folder on a local disk, private to this process, removed with all in it when the block ends; those of
processes that were killed are removed at the next start."""
