"""Media as its owner sees it, and the inputs of uploads."""

from collections.abc import Mapping
from typing import Annotated, Self

import msgspec

from application.media.ports import UploadTicket
from application.media.serving import card_of
from application.media.uploading import MediaDetails
from application.shared.attachments import RenditionAddresses
from domain.media import CENTRE, FocalPoint, Media, MediaNotFound
from domain.shared import MediaId, id_from
from entrypoints.http.bodies import In
from entrypoints.http.resources import rfc3339
from entrypoints.http.responses import Out
from entrypoints.http.shapes import MediaOut

MAX_BYTES = 2_000_000_000


class FocalPointIn(In):
    x: Annotated[float, msgspec.Meta(ge=-1, le=1)]
    y: Annotated[float, msgspec.Meta(ge=-1, le=1)]

    @property
    def point(self) -> FocalPoint:
        return FocalPoint(self.x, self.y)


class BeginUploadIn(In):
    """The upload that follows."""

    type: str
    """The media type of the upload. The real type is detected from the content."""
    bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_BYTES)]
    """The exact size of the upload."""
    alt_text: str = ""
    focal_point: FocalPointIn | None = None

    @property
    def described(self) -> MediaDetails:
        return MediaDetails(self.alt_text, self.focal_point.point if self.focal_point else CENTRE)


class DescribeMediaIn(In):
    """Omitted members stay unchanged."""

    alt_text: str | msgspec.UnsetType = msgspec.UNSET
    """Describes the content for users who cannot see it."""
    focal_point: FocalPointIn | msgspec.UnsetType = msgspec.UNSET

    @property
    def new_text(self) -> str | None:
        return None if isinstance(self.alt_text, msgspec.UnsetType) else self.alt_text

    @property
    def new_point(self) -> FocalPoint | None:
        return None if isinstance(self.focal_point, msgspec.UnsetType) else self.focal_point.point


class OwnMediaOut(MediaOut):
    """Media as its owner sees it."""

    progress: int
    """Progress of processing, in percent."""
    created_at: str
    post_id: str | None
    """The post that has the media."""

    @classmethod
    def of(cls, media: Media, addresses: RenditionAddresses) -> Self:
        # Always signed URLs: the visibility of the account is not read only for its owner.
        shown = MediaOut.of_card(card_of(media), addresses, open=False)
        return cls(
            **msgspec.structs.asdict(shown),
            progress=media.progress,
            created_at=rfc3339(media.created_at),
            post_id=None if media.post is None else str(media.post),
        )


class UploadTicketOut(Out):
    """Permission to upload the bytes directly to the storage, without an access token of Waggle."""

    method: str
    url: str
    headers: Mapping[str, str]
    """The client must send exactly these headers. A browser sets Content-Length by itself."""
    expires_at: str

    @classmethod
    def of(cls, ticket: UploadTicket) -> Self:
        return cls(ticket.method, ticket.url, dict(ticket.headers), rfc3339(ticket.until))


class BegunUploadOut(Out):
    media: OwnMediaOut
    upload: UploadTicketOut | None
    """Null if the upload has already been completed."""


def a_media(text: str) -> MediaId:
    media_id = id_from(text)
    if media_id is None:
        raise MediaNotFound("no such media")
    return MediaId(media_id)
