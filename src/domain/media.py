"""Images, animations and videos: the limits of an upload, its states and its owner."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.dataclasses import dataclass
from domain.shared import (
    Conflict,
    FieldError,
    Invalid,
    MediaId,
    NotFound,
    PostId,
    TextRule,
    TooMany,
    UserId,
    made_at,
)

ALT_TEXT = TextRule("alt_text", max_graphemes=1_500, max_bytes=6_000, lines=True)
MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_PIXELS, MAX_SIDE = 40_000_000, 10_000
MAX_FRAMES, MAX_PIXELS_OF_FRAMES = 200, 200_000_000
MAX_VIDEO_SECONDS = 600
ATTACH_WITHIN = timedelta(hours=24)
"""Media that no post has after this time is deleted."""
ATTACH_MARGIN = timedelta(hours=1)
"""Media can be attached until this long before it would be deleted."""
UPLOAD_WITHIN = timedelta(minutes=10)
"""The lifetime of an upload ticket."""


class MediaNotFound(NotFound):
    """The media does not exist, or another user owns it: the response is the same."""

    code = "media_not_found"


class MediaInUse(Conflict):
    """The media belongs to a post. Media belongs to at most one post."""

    code = "media_attached"


class MediaNotUploaded(Conflict):
    """The upload is missing from the storage, or its size differs from the announced one."""

    code = "media_not_uploaded"


class QuotaReached(TooMany):
    """The user has reached the limit of stored bytes or of files per day."""

    code = "media_quota"


class MediaState(StrEnum):
    PENDING = "pending"
    """Registered; its bytes have not arrived yet."""
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    """Final; `reason` says why."""


class MediaKind(StrEnum):
    IMAGE = "image"
    ANIMATION = "animation"
    VIDEO = "video"


class FailureReason(StrEnum):
    """Why processing failed. Part of the API."""

    TYPE_UNSUPPORTED = "type_unsupported"
    """The content is of no supported type."""
    DAMAGED = "damaged"
    """The file cannot be decoded to its end."""
    TOO_LARGE = "too_large"
    """Too many bytes, pixels or frames, too long a side, or too long a video."""
    CODEC_UNSUPPORTED = "codec_unsupported"
    """Not every browser can play the codec of the video or its audio."""
    AUDIO_REFUSED = "audio_refused"
    """The video has audio, and the server does not allow audio."""
    AUDIO_ONLY = "audio_only"
    """The file has audio and no video."""
    ENCRYPTED = "encrypted"
    """The video can only be played with a key."""
    EDIT_UNSUPPORTED = "edit_unsupported"
    """The video was trimmed without being encoded again: the trimmed parts are still in the file, and cannot be removed
    exactly."""
    TOO_COSTLY = "too_costly"
    """Decoding exceeded the limit of memory or of time."""
    LOST = "lost"
    """The file is missing from the storage."""

    @property
    def text(self) -> str:
        """An explanation for users. Not part of the API: the wording may change."""
        return _REASONS[self]


_REASONS: Mapping[FailureReason, str] = {
    FailureReason.TYPE_UNSUPPORTED: "This type of file is not supported.",
    FailureReason.DAMAGED: "The file is damaged or incomplete.",
    FailureReason.TOO_LARGE: "The file, its dimensions or its duration is too large.",
    FailureReason.CODEC_UNSUPPORTED: "The video or audio codec of this file is not supported.",
    FailureReason.AUDIO_REFUSED: "Videos with sound are not allowed here.",
    FailureReason.AUDIO_ONLY: "Audio files without video are not supported.",
    FailureReason.ENCRYPTED: "The video is encrypted.",
    FailureReason.EDIT_UNSUPPORTED: (
        "The video was trimmed without being encoded again, and the trimmed parts cannot be removed exactly. "
        "Export the trimmed video as a new file and upload that."
    ),
    FailureReason.TOO_COSTLY: "The file takes too much time or memory to process.",
    FailureReason.LOST: "The file was lost. Please upload it again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A file that processing made from an upload. Only renditions are ever served."""

    name: str
    """`thumbnail`, `small` or `large`, each also with the suffix `_jpeg`; `video`; `poster`."""
    type: str
    """Its media type."""
    width: int
    height: int
    bytes: int


EXTENSIONS: Mapping[str, str] = {
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
"""The file extension of each type of rendition."""


@dataclass(frozen=True, slots=True)
class FocalPoint:
    """The point that must stay visible when an image is cropped: from -1 (left, bottom) to 1 (right, top)."""

    x: float = 0.0
    y: float = 0.0

    def __post_init__(self) -> None:
        if not (-1 <= self.x <= 1 and -1 <= self.y <= 1):
            raise Invalid(FieldError("focal_point", "range", "the focal point must be between -1 and 1"))


CENTRE = FocalPoint()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingResult:
    """The result of processing an upload."""

    kind: MediaKind
    width: int
    height: int
    blurhash: str
    renditions: Sequence[Rendition]
    duration: float | None = None
    """Seconds; None for an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    id: MediaId
    owner: UserId
    secret: str
    """22 random characters in the keys of its objects and in its URLs, so that the URLs cannot be guessed."""
    state: MediaState = MediaState.PENDING
    bytes: int = 0
    """The size of the upload, as announced until it has arrived. It counts towards the quota; renditions do not."""
    progress: int = 0
    """Progress of processing, in percent."""
    reason: FailureReason | None = None
    result: ProcessingResult | None = None
    alt_text: str = ""
    focal_point: FocalPoint = CENTRE
    post: PostId | None = None
    """The post that has it."""
    open: bool = False
    """Whether everyone may see that post. Viewers of other posts get URLs that expire soon."""
    version: int = 1
    """Increases with every visible change."""
    deleted: bool = False
    """Its objects are being removed, and no client can see it."""

    @property
    def created_at(self) -> datetime:
        return made_at(self.id)

    @property
    def prefix(self) -> str:
        """The common prefix of the keys of its objects."""
        return f"{self.id}/{self.secret}/"

    @property
    def upload(self) -> str:
        """The key of the uploaded file, which is never served, and is deleted when processing ends."""
        return f"{self.prefix}upload"

    def key(self, rendition: Rendition) -> str:
        return f"{self.prefix}{rendition.name}.{EXTENSIONS[rendition.type]}"

    def with_details(self, alt_text: str | None, focal_point: FocalPoint | None) -> "Media":
        """Change each detail that is not None."""
        return replace(
            self,
            alt_text=self.alt_text if alt_text is None else alt_text,
            focal_point=focal_point or self.focal_point,
            version=self.version + 1,
        )

    def uploaded(self, size: int) -> "Media":
        return replace(self, state=MediaState.PROCESSING, bytes=size, version=self.version + 1)

    def ready(self, result: ProcessingResult) -> "Media":
        return replace(self, state=MediaState.READY, progress=100, result=result, version=self.version + 1)

    def failed(self, reason: FailureReason) -> "Media":
        return replace(self, state=MediaState.FAILED, reason=reason, result=None, version=self.version + 1)

    def attached(self, post: PostId, *, open: bool) -> "Media":  # noqa: A002 - the word for it
        """The media itself if it is attached so already. Raises MediaInUse if it belongs to another post."""
        if self.post not in {None, post}:
            raise MediaInUse("this media belongs to another post")
        if (self.post, self.open) == (post, open):
            return self
        return replace(self, post=post, open=open, version=self.version + 1)

    def removed(self) -> "Media":
        """Raises MediaInUse while a post has the media: it is deleted with the post, or when an edit removes it."""
        if self.post is not None:
            raise MediaInUse("this media belongs to a post: remove it from the post, or delete the post")
        return replace(self, deleted=True)
