"""The driven ports of the media module: store, queue, storage and processor."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from application.shared.ports import Idempotency, Outbox
from domain.dataclasses import dataclass
from domain.media import FailureReason, Media, ProcessingResult
from domain.shared import Forbidden, MediaId, PostId, SessionId, UserId


class MediaStore(Protocol):
    """The rows of media, within a transaction."""

    async def lock_owner(self, owner: UserId) -> "QuotaUsage":
        """Return the user's quota usage. Other transactions that lock the same owner wait until this one ends."""
        ...

    async def add(self, media: Media) -> None:
        """Add the row and an upload record for the daily quota. The record stays when the row is deleted."""
        ...

    async def record_ticket(
        self, media_id: MediaId, session: SessionId, until: datetime, check_at: datetime
    ) -> None:
        """Record that the session got a ticket for the upload of this media, valid until `until`, and that its objects
        must be checked at `check_at`. A later ticket replaces an earlier one."""
        ...

    async def record_check(self, media_id: MediaId, next_check: datetime | None) -> None:
        """Record that its objects were checked after its ticket expired, and when to check again (None: never)."""
        ...

    async def anonymise_uploads(self, owner: UserId) -> None:
        """Remove the user from the upload records. Checks that are due stay due."""
        ...

    async def purge_upload_records(self, before: MediaId) -> None:
        """Delete upload records with ids below `before` that need no further check."""
        ...

    async def get(self, media_id: MediaId) -> Media:
        """Return the media, locked until the transaction ends. Raises MediaNotFound. To avoid deadlocks, lock several
        in ascending order of their ids."""
        ...

    async def save(self, media: Media) -> None:
        """Replace every mutable member. Media that is no longer PROCESSING leaves the queue."""
        ...

    async def delete(self, media_id: MediaId) -> None:
        """Delete the row. The caller has already removed the objects. Idempotent."""
        ...

    async def of_post(self, post: PostId) -> Sequence[Media]:
        """Return the media of the post, locked, in ascending order of ids."""
        ...

    async def of_owner(self, owner: UserId, after: MediaId, limit: int) -> Sequence[Media]:
        """Return up to `limit` media of the user with ids above `after`, locked, in ascending order; without deleted
        ones."""
        ...


class QuotaUsage(NamedTuple):
    """The part of the quota that an owner has used. Uploads of the last 24 hours count even if they were deleted: otherwise a
    user who uploads and deletes in turns would have no limit."""

    bytes: int
    """Bytes of the uploads of the last 24 hours and of older ones that still exist."""
    files_today: int


@dataclass(frozen=True, slots=True)
class MediaTx:
    media: MediaStore
    outbox: Outbox
    idempotency: Idempotency


class MediaReader(Protocol):
    """Reads outside of transactions. The results include deleted media, with `deleted` set."""

    async def media(self, ids: Collection[MediaId]) -> Mapping[MediaId, Media]:
        """Return those that exist. At most 1,000 ids."""
        ...

    async def stale(self, before: MediaId, limit: int) -> Sequence[Media]:
        """Return up to `limit` media to remove: deleted ones of any age, and those with ids below `before` that no
        post has. In ascending order of ids."""
        ...

    async def ticket_session(self, media_id: MediaId) -> SessionId | None:
        """Return the session that got the last ticket for the upload of this media."""
        ...

    async def expired_tickets(self, now: datetime, limit: int) -> Sequence["ExpiredTicket"]:
        """Return up to `limit` tickets whose check is due at `now`, the one due longest first."""
        ...

    async def all_after(self, after: MediaId, limit: int) -> Sequence[Media]:
        """Return a page of all media in ascending order of ids, to compare rows with objects."""
        ...


class ExpiredTicket(NamedTuple):
    media_id: MediaId
    secret: str
    session: SessionId
    until: datetime

    @property
    def prefix(self) -> str:
        """The same as `Media.prefix`; the media may have been deleted."""
        return f"{self.media_id}/{self.secret}/"


class ProcessingJob(NamedTuple):
    media: Media
    attempt: int
    """The first attempt is 1."""


class ProcessingQueue(Protocol):
    """A queue of the media in state PROCESSING. Each call is its own transaction."""

    async def claim(self, lease: timedelta) -> ProcessingJob | None:
        """Lease the oldest due job that no worker holds. Times are by the store's clock."""
        ...

    async def progress(self, job: ProcessingJob, percent: int, lease: timedelta) -> bool:
        """Record the progress and extend the lease to `lease` from now. Return False, without effect, if the lease was
        lost or the media was deleted: the worker must then stop."""
        ...

    async def retry(self, job: ProcessingJob, after: timedelta, *, counted: bool = True) -> None:
        """Release the job, to be claimed again `after` from now. If it is not counted, the next attempt has the same
        number. No effect if the lease was lost."""
        ...

    async def waiting(self) -> int:
        """Return the number of jobs that are not done, including those that are being processed."""
        ...


# --- Storage ----------------------------------------------------------------------------------------


class StoredObject(NamedTuple):
    key: str
    bytes: int
    modified: datetime
    """In UTC, by the storage's clock."""


class UploadTicket(NamedTuple):
    """Permission to upload one object directly to the storage."""

    method: str
    url: str
    headers: Mapping[str, str]
    """The client must send exactly these."""
    until: datetime


class Storage(Protocol):
    """Objects by key. A key has 1 to 200 characters of `[a-z0-9A-Z_./-]` and no empty or dotted segment. No caller puts
    `a` where `a/b` exists.

    Every method raises Unavailable when the storage is unreachable or exceeds a timeout (1 s to connect, 4 s for each
    response; a transfer may take as long as it reaches 64 KB per second). Nothing is retried here, but a circuit breaker
    may refuse a call at once."""

    async def put(self, key: str, source: Path, content_type: str) -> None:
        """Store the bytes of the file, replacing the object; durable on return. A concurrent reader gets either the
        old object or the whole new one. The file stays, or is moved if the storage is on the same file system."""
        ...

    async def fetch(self, key: str, target: Path) -> None:
        """Write the bytes of the object to the file. Raises NoSuchObject."""
        ...

    def read(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Yield the bytes in chunks of at most 256 KB. Entering the context raises NoSuchObject."""
        ...

    async def stat(self, key: str) -> StoredObject | None: ...

    async def delete(self, keys: Collection[str]) -> None:
        """Delete those that exist. Idempotent."""
        ...

    async def list(self, prefix: str = "", after: str = "", limit: int = 1_000) -> Sequence[StoredObject]:
        """Return up to `limit` objects whose keys begin with `prefix` and are greater than `after`, in the order of
        their keys; without objects that are still being put, and without foreign ones whose names are not keys."""
        ...

    def ticket(self, key: str, size: int, content_type: str, until: datetime) -> UploadTicket:
        """Return a ticket to put exactly `size` bytes of that type at `key`, any number of times until `until`. Uses no
        network."""
        ...

    async def check(self) -> None:
        """Raises Unavailable if the storage cannot be used."""
        ...

    async def created_at(self) -> datetime | None:
        """Return when the storage was created, by its own clock; None while it is being created. An older object that is
        missing may come back, once the right disk or server is connected again."""
        ...


class NoSuchObject(Exception):
    """The storage has no object with that key."""


class TicketRefused(Forbidden):
    """The ticket was altered or has expired, or the upload does not match it."""

    code = "ticket_refused"


class TicketTerms(NamedTuple):
    """The upload that a ticket allows. An upload must match it exactly."""

    key: str
    size: int
    content_type: str


class TicketVerifier(Protocol):
    """Verifies the tickets of a storage that Waggle serves itself, at `/media/uploads/{key}?…`."""

    def check(self, key: str, query: Mapping[str, str]) -> TicketTerms:
        """Return the terms of the ticket with this key and these parameters. Raises TicketRefused."""
        ...


class AddressVerifier(Protocol):
    """Verifies the URLs that `application.shared.attachments.RenditionAddresses.signed` signs."""

    def check(self, path: str, until: str, signature: str) -> bool:
        """Return whether the URL was signed with these parameters and has not expired. Accepts any text."""
        ...


# --- Processing -------------------------------------------------------------------------------------


class UploadRejected(Exception):
    """The upload cannot be processed, however often it is tried."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Processor(Protocol):
    async def __call__(self, upload: Path, into: Path, progress: Callable[[int], None]) -> ProcessingResult:
        """Make the renditions of the file `upload`, as files `<name>.<extension>` in the empty folder `into`. Runs in a
        separate process with limited memory and time and without network. Calls `progress` with percentages.
        Raises UploadRejected, and Unavailable if the processor could not run for another reason than the upload."""
        ...


OpenFolder: TypeAlias = Callable[[], AbstractAsyncContextManager[Path]]
"""Opens an empty folder on a local disk, private to this process. The folder and its contents are removed when the block
ends; folders of killed processes are removed at the next start."""
