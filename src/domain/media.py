"""Pictures and films: what may come in, what becomes of it, and whose it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

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
"""What no post has by then is deleted..."""
ATTACH_MARGIN = timedelta(hours=1)
"""...and it can be attached until so long before."""
UPLOAD_WITHIN = timedelta(minutes=10)
"""The life of a ticket to upload."""


class MediaNotFound(NotFound):
    """There is no such media, or it is somebody else's: the two answer alike."""

    code = "media_not_found"


class MediaAttached(Conflict):
    """It belongs to a post, and to one only."""

    code = "media_attached"


class MediaNotUploaded(Conflict):
    """Nothing, or something else than was announced, lies where it was to be uploaded to."""

    code = "media_not_uploaded"


class QuotaReached(TooMany):
    """The user has as many bytes, or uploaded as many files today, as one may."""

    code = "media_quota"


class MediaState(StrEnum):
    PENDING = "pending"
    """Announced: its bytes are on their way."""
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    """For good; `reason` tells why."""


class MediaKind(StrEnum):
    IMAGE = "image"
    ANIMATION = "animation"
    VIDEO = "video"


class FailureReason(StrEnum):
    """Why media failed. Part of the API."""

    TYPE_UNSUPPORTED = "type_unsupported"
    """By its content it is none of the types that are taken."""
    DAMAGED = "damaged"
    """It cannot be decoded to its end."""
    TOO_LARGE = "too_large"
    """Too many bytes, pixels or frames, or a side or a film that is too long."""
    CODEC_UNSUPPORTED = "codec_unsupported"
    """A film whose pictures or sound no browser is sure to play."""
    AUDIO_REFUSED = "audio_refused"
    """A film with sound, where sound is not allowed."""
    AUDIO_ONLY = "audio_only"
    """Sound without pictures."""
    ENCRYPTED = "encrypted"
    """A film that only who has a key can play."""
    EDIT_UNSUPPORTED = "edit_unsupported"
    """A film that was cut without being saved anew: what was cut off is still in it, and cannot be removed exactly."""
    TOO_COSTLY = "too_costly"
    """It took more memory or time to decode than one may take."""
    LOST = "lost"
    """The storage does not have it any more."""

    @property
    def text(self) -> str:
        """For people; the words may change."""
        return _REASONS[self]


_REASONS: Mapping[FailureReason, str] = {
    FailureReason.TYPE_UNSUPPORTED: "This type of file is not supported.",
    FailureReason.DAMAGED: "The file is damaged or incomplete.",
    FailureReason.TOO_LARGE: "The file, its picture or its duration is too large.",
    FailureReason.CODEC_UNSUPPORTED: "The video or audio codec of this film is not supported.",
    FailureReason.AUDIO_REFUSED: "Films with sound are not allowed here.",
    FailureReason.AUDIO_ONLY: "Audio files without video are not supported.",
    FailureReason.ENCRYPTED: "The film is encrypted.",
    FailureReason.EDIT_UNSUPPORTED: (
        "The film was trimmed without being saved anew, and what was cut off cannot be removed exactly. "
        "Export the trimmed film as a new file and upload that."
    ),
    FailureReason.TOO_COSTLY: "The file takes too much time or memory to process.",
    FailureReason.LOST: "The file was lost. Please upload it again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """One of the files that were made of an upload, and the only ones that are ever served."""

    name: str
    """`thumbnail`, `small`, `large`, each of them with `_jpeg` too; `video`; `poster`."""
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
"""Of the types that renditions have."""


@dataclass(frozen=True, slots=True)
class FocalPoint:
    """What must stay in sight when a picture is cut: from -1 (left, bottom) to 1 (right, top)."""

    x: float = 0.0
    y: float = 0.0

    def __post_init__(self) -> None:
        if not (-1 <= self.x <= 1 and -1 <= self.y <= 1):
            raise Invalid(FieldError("focal_point", "range", "a focal point lies between -1 and 1"))


CENTRE = FocalPoint()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingResult:
    """What processing an upload gave."""

    kind: MediaKind
    width: int
    height: int
    blurhash: str
    renditions: Sequence[Rendition]
    duration: float | None = None
    """Seconds; None for a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    id: MediaId
    owner: UserId
    secret: str
    """22 random characters, in the keys of its objects and in its addresses: nobody guesses them."""
    state: MediaState = MediaState.PENDING
    bytes: int = 0
    """Of the upload, as announced until it is there. They count for the quota, renditions do not."""
    progress: int = 0
    """Of processing, in percent."""
    reason: FailureReason | None = None
    result: ProcessingResult | None = None
    alt_text: str = ""
    focal_point: FocalPoint = CENTRE
    post: PostId | None = None
    """Where it is attached."""
    open: bool = False
    """Whether everybody may see that post; what others may see of it is given under addresses that end soon."""
    version: int = 1
    """Rises with every change that is seen."""
    deleted: bool = False
    """Its objects are being removed: nobody sees it any more."""

    @property
    def created_at(self) -> datetime:
        return made_at(self.id)

    @property
    def prefix(self) -> str:
        """What the keys of all its objects begin with."""
        return f"{self.id}/{self.secret}/"

    @property
    def upload(self) -> str:
        """The key of what was uploaded, which is never served and goes when processing ends."""
        return f"{self.prefix}upload"

    def key(self, rendition: Rendition) -> str:
        return f"{self.prefix}{rendition.name}.{EXTENSIONS[rendition.type]}"

    def described(self, alt_text: str | None, focal_point: FocalPoint | None) -> "Media":
        """With what is not None changed."""
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
        """Raises MediaAttached if it belongs to another post."""
        if self.post not in {None, post}:
            raise MediaAttached("this media belongs to another post")
        return replace(self, post=post, open=open, version=self.version + 1)

    def removed(self) -> "Media":
        """Raises MediaAttached while a post has it: it is deleted with the post, or when it is removed from it."""
        if self.post is not None:
            raise MediaAttached("this media belongs to a post: remove it from the post, or delete the post")
        return replace(self, deleted=True)
