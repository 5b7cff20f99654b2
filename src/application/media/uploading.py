"""Two ways in: through Waggle, and by a ticket straight to the storage.

The row comes before the object, and the object before the row says that it is there. So whatever is cut short
leaves a row that is pending, which the sweep removes with what there may be in the storage.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from application.media.ports import MediaStore, MediaTx, Storage, UploadTicket
from application.shared.idempotency import run_once
from application.shared.ports import Clock, IdempotentRequest, NewId, OpenTx, Record
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
"""What may be announced. What it is in truth is found out by its content."""


FIRST_CHECK = timedelta(minutes=2)
"""After the end of a ticket its objects are looked at: what nothing needs is removed."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    file_bytes: int
    """Of one upload."""
    user_bytes: int
    """Of all uploads of a user that are there, and of those of the last 24 hours that are not."""
    files_a_day: int
    """Deleted ones included."""

    def check(self, size: int, member: str = "file") -> None:
        """Raises Invalid, which names the member of the request that told the size."""
        if size < 1:
            raise Invalid(FieldError(member, "empty", "the file is empty"))
        if size > self.file_bytes:
            raise Invalid(FieldError(member, "too_large", f"a file has at most {self.file_bytes:,} bytes"))


@dataclass(frozen=True, slots=True)
class MediaDetails:
    """What the owner says of media."""

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
    """None if it is uploaded already."""
    replayed: bool


@dataclass(frozen=True, slots=True)
class IssuedTicket:
    """A ticket that is given with the announcement, to whom and until when."""

    session: SessionId
    until: datetime


class Uploader(NamedTuple):
    """Who asks for a ticket. It is good while the session lives."""

    user: UserId
    session: SessionId


@dataclass(frozen=True, slots=True)
class RegisterUpload:
    """Makes the row of an upload that is about to come, within the user's quota."""

    open_tx: OpenTx[MediaTx]
    new_id: NewId
    secret: Callable[[], str]
    """22 random characters that may stand in an address."""
    limits: UploadLimits

    async def __call__(
        self,
        owner: UserId,
        size: int,
        described: MediaDetails,
        idempotent_request: IdempotentRequest | None,
        ticket: IssuedTicket | None = None,
    ) -> UploadResult:
        """Raises Invalid, QuotaReached and MediaNotFound, if an earlier attempt made it and it is gone."""
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
                raise MediaNotFound("this media was deleted since")
            if ticket is not None and media.state is MediaState.PENDING:
                await tx.media.record_ticket(
                    media.id, ticket.session, ticket.until, ticket.until + FIRST_CHECK
                )
        return UploadResult(media, result.replayed)

    async def _within_quota(self, store: MediaStore, owner: UserId, size: int) -> None:
        used = await store.lock_owner(owner)
        if used.bytes + size > self.limits.user_bytes:
            raise QuotaReached(
                f"your media take {used.bytes:,} of {self.limits.user_bytes:,} bytes; what was uploaded in the last 24 "
                "hours counts also if it is deleted",
                retry_after=3600,
            )
        if used.files_today >= self.limits.files_a_day:
            raise QuotaReached(
                f"at most {self.limits.files_a_day} files in 24 hours, deleted ones included",
                retry_after=3600,
            )


@dataclass(frozen=True, slots=True)
class UploadFile:
    """Take a file that has come in. With the same key and the same file it goes on where an earlier attempt was cut
    short."""

    announce: RegisterUpload
    open_tx: OpenTx[MediaTx]
    storage: Storage
    graphemes: CountGraphemes
    wake: Callable[[], object]
    """Called when there is something to process."""

    async def __call__(
        self,
        owner: UserId,
        file: Path,
        size: int,
        described: MediaDetails,
        idempotent_request: IdempotentRequest | None,
    ) -> UploadResult:
        """`file`, of `size` bytes, may be moved away. Raises what RegisterUpload raises, and Unavailable if the storage is away: then the
        same request with the same key goes on."""
        uploaded = await self.announce(owner, size, described.checked(self.graphemes), idempotent_request)
        if uploaded.media.state is not MediaState.PENDING:
            return uploaded
        await self.storage.put(uploaded.media.upload, file, "application/octet-stream")
        try:
            media = await mark_uploaded(self.open_tx, uploaded.media.id, size)
        except MediaNotFound:
            await self.storage.delete([uploaded.media.upload])  # whoever deleted it may not have seen it
            raise
        if media.state in {MediaState.READY, MediaState.FAILED}:  # the same attempt, sent twice, was faster
            await self.storage.delete([uploaded.media.upload])
        self.wake()
        return UploadResult(media, uploaded.replayed)


@dataclass(frozen=True, slots=True)
class BeginUpload:
    """Give leave to upload straight to the storage."""

    announce: RegisterUpload
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
        """Raises what RegisterUpload raises, and Invalid for a type that is not in UPLOAD_TYPES."""
        with FieldErrors.collected() as field_errors:
            with field_errors:
                if content_type not in UPLOAD_TYPES:
                    raise Invalid(
                        FieldError("type", "type_unsupported", f"one of {', '.join(sorted(UPLOAD_TYPES))}")
                    )
            with field_errors:
                described = described.checked(self.graphemes)
            with field_errors:
                self.announce.limits.check(size, "bytes")
        until = self.now() + UPLOAD_WITHIN
        announced = await self.announce(
            by.user, size, described, idempotent_request, IssuedTicket(by.session, until)
        )
        media, replayed = _parts(announced)
        if media.state is not MediaState.PENDING:
            return StartedUpload(media, None, replayed)
        ticket = self.storage.ticket(media.upload, size, content_type, until)
        return StartedUpload(media, ticket, replayed)


@dataclass(frozen=True, slots=True)
class CompleteUpload:
    """Look at what was uploaded by a ticket, and let it be processed. Harmless to repeat."""

    open_tx: OpenTx[MediaTx]
    storage: Storage
    wake: Callable[[], object]

    async def __call__(self, owner: UserId, media_id: MediaId) -> Media:
        """Raises MediaNotFound, and MediaNotUploaded if it is not there or has another size than announced."""
        async with self.open_tx() as tx:
            media = require_owner(await tx.media.get(media_id), owner)
        if media.state is not MediaState.PENDING:
            return media
        stored = await self.storage.stat(media.upload)
        if stored is None:
            raise MediaNotUploaded("nothing was uploaded yet")
        if stored.bytes != media.bytes:
            await self.storage.delete([media.upload])
            raise MediaNotUploaded(f"{media.bytes:,} bytes were announced, and {stored.bytes:,} came")
        media = await mark_uploaded(self.open_tx, media_id, stored.bytes)
        self.wake()
        return media


async def mark_uploaded(open_tx: OpenTx[MediaTx], media_id: MediaId, size: int) -> Media:
    """Note that the upload is there. Raises MediaNotFound if it was deleted meanwhile."""
    async with open_tx() as tx:
        media = await tx.media.get(media_id)
        if media.deleted:
            raise MediaNotFound("this media was deleted since")
        if media.state is MediaState.PENDING:
            media = media.uploaded(size)
            await tx.media.save(media)
    return media


def require_owner(media: Media, owner: UserId) -> Media:
    """Raises MediaNotFound if it is not theirs or deleted."""
    if media.owner != owner or media.deleted:
        raise MediaNotFound("no such media")
    return media


def _parts(uploaded: UploadResult) -> tuple[Media, bool]:
    return uploaded.media, uploaded.replayed
