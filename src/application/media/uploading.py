"""Two ways to upload: through Waggle, and with a ticket directly to the storage.

Both insert the row first, then store the object, and mark the row as uploaded last. An interrupted upload therefore
leaves a pending row, which maintenance later removes together with its objects.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from application.media.ports import MediaStore, MediaTx, Storage, UploadTicket
from application.shared.idempotency import run_once
from application.shared.ports import Clock, IdempotentRequest, NewId, OpenTx, Record
from domain.dataclasses import dataclass
from domain.media import (
    ALT_TEXT,
    CENTRE,
    UPLOAD_WITHIN,
    FocalPoint,
    Media,
    MediaNotFound,
    MediaNotUploaded,
    MediaState,
    QuotaReached,
)
from domain.shared import CountGraphemes, FieldError, FieldErrors, Invalid, MediaId, SessionId, UserId

UPLOAD_TYPES = frozenset(
    {"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "video/mp4", "video/webm"}
)
"""The types that a client may announce. Processing determines the real type from the content."""


FIRST_CHECK = timedelta(minutes=2)
"""The time from the expiry of a ticket to the first check of its objects, which removes those that are not needed."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    file_bytes: int
    """The largest size of one upload."""
    user_bytes: int
    """The total of a user: existing uploads, and deleted ones of the last 24 hours."""
    files_a_day: int
    """Uploads of a user in 24 hours, including deleted ones."""

    def check(self, size: int, member: str = "file") -> None:
        """Raises Invalid, which names the `member` of the request that contains the size."""
        if size < 1:
            raise Invalid(FieldError(member, "empty", "the file is empty"))
        if size > self.file_bytes:
            raise Invalid(FieldError(member, "too_large", f"a file has at most {self.file_bytes:,} bytes"))


@dataclass(frozen=True, slots=True)
class MediaDetails:
    """The details that the owner adds to media: alt text and focal point."""

    alt_text: str = ""
    focal_point: FocalPoint = CENTRE

    def checked(self, graphemes: CountGraphemes) -> "MediaDetails":
        """Raises Invalid."""
        return replace(self, alt_text=ALT_TEXT.apply(self.alt_text, graphemes))


@dataclass(frozen=True, slots=True)
class UploadResult:
    media: Media
    replayed: bool


@dataclass(frozen=True, slots=True)
class StartedUpload:
    media: Media
    ticket: UploadTicket | None
    """None if the upload has already been completed."""
    replayed: bool


@dataclass(frozen=True, slots=True)
class IssuedTicket:
    """The ticket that is issued when an upload is registered: for which session, and until when."""

    session: SessionId
    until: datetime


class Uploader(NamedTuple):
    """The user and session that request a ticket. The ticket is valid while the session is active."""

    user: UserId
    session: SessionId


@dataclass(frozen=True, slots=True)
class RegisterUpload:
    """Insert the row of an upload whose bytes follow, within the user's quota."""

    open_tx: OpenTx[MediaTx]
    new_id: NewId
    secret: Callable[[], str]
    """Returns 22 random characters that are valid in a URL."""
    limits: UploadLimits

    async def __call__(
        self,
        owner: UserId,
        size: int,
        described: MediaDetails,
        idempotent_request: IdempotentRequest | None,
        ticket: IssuedTicket | None = None,
    ) -> UploadResult:
        """Raises Invalid, QuotaReached, and MediaNotFound if an earlier attempt created the media and it was deleted."""
        self.limits.check(size)
        async with self.open_tx() as tx:

            async def effect() -> Record:
                await self._within_quota(tx.media, owner, size)
                media = Media(
                    id=MediaId(self.new_id()),
                    owner=owner,
                    secret=self.secret(),
                    bytes=size,
                    alt_text=described.alt_text,
                    focal_point=described.focal_point,
                )
                await tx.media.add(media)
                return {"id": media.id}

            result = await run_once(tx.idempotency, idempotent_request, effect)
            media = await tx.media.get(MediaId(result.outcome["id"]))
            if media.deleted:
                raise MediaNotFound("this media has been deleted")
            if ticket is not None and media.state is MediaState.PENDING:
                await tx.media.record_ticket(
                    media.id, ticket.session, ticket.until, ticket.until + FIRST_CHECK
                )
        return UploadResult(media, result.replayed)

    async def _within_quota(self, store: MediaStore, owner: UserId, size: int) -> None:
        used = await store.lock_owner(owner)
        if used.bytes + size > self.limits.user_bytes:
            raise QuotaReached(
                f"your media take {used.bytes:,} of {self.limits.user_bytes:,} bytes; uploads of the last 24 hours "
                "count even if they were deleted",
                retry_after=3600,
            )
        if used.files_today >= self.limits.files_a_day:
            raise QuotaReached(
                f"at most {self.limits.files_a_day} files in 24 hours, including deleted ones",
                retry_after=3600,
            )


@dataclass(frozen=True, slots=True)
class UploadFile:
    """Store a received file and queue it for processing. A request with the same key and the same file continues an
    earlier attempt that was interrupted."""

    register: RegisterUpload
    open_tx: OpenTx[MediaTx]
    storage: Storage
    graphemes: CountGraphemes
    wake: Callable[[], object]
    """Called when there is a job to process."""

    async def __call__(
        self,
        owner: UserId,
        file: Path,
        size: int,
        described: MediaDetails,
        idempotent_request: IdempotentRequest | None,
    ) -> UploadResult:
        """`file` has `size` bytes, and may be moved. Raises what RegisterUpload raises, and Unavailable if the storage is
        unreachable: then the same request with the same key continues."""
        uploaded = await self.register(owner, size, described.checked(self.graphemes), idempotent_request)
        if uploaded.media.state is not MediaState.PENDING:
            return uploaded
        await self.storage.put(uploaded.media.upload, file, "application/octet-stream")
        try:
            media = await mark_uploaded(self.open_tx, uploaded.media.id, size)
        except MediaNotFound:
            await self.storage.delete(
                [uploaded.media.upload]
            )  # the deletion may have listed the objects before
            raise
        if media.state in {MediaState.READY, MediaState.FAILED}:  # a concurrent identical request was faster
            await self.storage.delete([uploaded.media.upload])
        self.wake()
        return UploadResult(media, uploaded.replayed)


@dataclass(frozen=True, slots=True)
class BeginUpload:
    """Issue a ticket to upload directly to the storage."""

    register: RegisterUpload
    storage: Storage
    graphemes: CountGraphemes
    now: Clock

    async def __call__(
        self,
        by: Uploader,
        size: int,
        content_type: str,
        described: MediaDetails,
        idempotent_request: IdempotentRequest | None,
    ) -> StartedUpload:
        """Raises what RegisterUpload raises, and Invalid for a type outside UPLOAD_TYPES."""
        with FieldErrors.collected() as field_errors:
            with field_errors:
                if content_type not in UPLOAD_TYPES:
                    raise Invalid(
                        FieldError("type", "type_unsupported", f"one of {', '.join(sorted(UPLOAD_TYPES))}")
                    )
            with field_errors:
                described = described.checked(self.graphemes)
            with field_errors:
                self.register.limits.check(size, "bytes")
        until = self.now() + UPLOAD_WITHIN
        registered = await self.register(
            by.user, size, described, idempotent_request, IssuedTicket(by.session, until)
        )
        media, replayed = registered.media, registered.replayed
        if media.state is not MediaState.PENDING:
            return StartedUpload(media, None, replayed)
        ticket = self.storage.ticket(media.upload, size, content_type, until)
        return StartedUpload(media, ticket, replayed)


@dataclass(frozen=True, slots=True)
class CompleteUpload:
    """Check the object that was uploaded with a ticket, and queue it for processing. Idempotent."""

    open_tx: OpenTx[MediaTx]
    storage: Storage
    wake: Callable[[], object]

    async def __call__(self, owner: UserId, media_id: MediaId) -> Media:
        """Raises MediaNotFound, and MediaNotUploaded if the object is missing or has another size than announced."""
        async with self.open_tx() as tx:
            media = require_owner(await tx.media.get(media_id), owner)
        if media.state is not MediaState.PENDING:
            return media
        stored = await self.storage.stat(media.upload)
        if stored is None:
            raise MediaNotUploaded("nothing has been uploaded yet")
        if stored.bytes != media.bytes:
            await self.storage.delete([media.upload])
            raise MediaNotUploaded(
                f"{media.bytes:,} bytes were announced, but {stored.bytes:,} were uploaded"
            )
        media = await mark_uploaded(self.open_tx, media_id, stored.bytes)
        self.wake()
        return media


async def mark_uploaded(open_tx: OpenTx[MediaTx], media_id: MediaId, size: int) -> Media:
    """Mark the row as uploaded. Raises MediaNotFound if the media has been deleted in the meantime."""
    async with open_tx() as tx:
        media = await tx.media.get(media_id)
        if media.deleted:
            raise MediaNotFound("this media has been deleted")
        if media.state is MediaState.PENDING:
            media = media.uploaded(size)
            await tx.media.save(media)
    return media


def require_owner(media: Media, owner: UserId) -> Media:
    """Return the media. Raises MediaNotFound if it belongs to another user or is deleted."""
    if media.owner != owner or media.deleted:
        raise MediaNotFound("no such media")
    return media
