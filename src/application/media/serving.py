"""Find the rendition that a URL names, and check whether the request may read it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from hmac import compare_digest
from typing import NamedTuple, Protocol

from application.media.ports import MediaReader, Storage
from application.shared.attachments import MediaCard, RenditionCard
from domain.dataclasses import dataclass
from domain.media import EXTENSIONS, Media, MediaNotFound, MediaState, Rendition
from domain.shared import MediaId, UserId


class OwnerVisibility(Protocol):
    """The posts module provides it: it stores the accounts that are private or deleted."""

    async def is_open(self, owner: UserId) -> bool:
        """Return whether everyone may see the public posts of the account. May be some seconds out of date."""
        ...


class FoundRendition(NamedTuple):
    media: Media
    rendition: Rendition


@dataclass(frozen=True, slots=True)
class FindRendition:
    """Find the rendition that the path of a URL names. `signed` means that the URL was issued for a limited time to a
    viewer who may see the media; without it, everyone must be allowed to see it. Raises MediaNotFound, whatever the
    reason."""

    reader: MediaReader
    owners: OwnerVisibility

    async def __call__(self, media_id: MediaId, secret: str, file: str, *, signed: bool) -> FoundRendition:
        media = (await self.reader.media([media_id])).get(media_id)
        if (
            media is None
            or media.deleted
            or media.state is not MediaState.READY
            or media.result is None
            or not compare_digest(media.secret, secret)
        ):
            raise MediaNotFound("no such media")
        for rendition in media.result.renditions:
            if file == _file(rendition):
                if signed or (media.open and await self.owners.is_open(media.owner)):
                    return FoundRendition(media, rendition)
                break
        raise MediaNotFound("no such media")


@dataclass(frozen=True, slots=True)
class OpenRendition:
    """Open the bytes of a rendition, or a range of them. Raises NoSuchObject and Unavailable."""

    storage: Storage

    def __call__(
        self, found: FoundRendition, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self.storage.read(found.media.key(found.rendition), start, length)


def card_of(media: Media) -> MediaCard:
    """The parts of media that posts show."""
    result = media.result
    about = (media.id, media.state.value, media.version)
    if result is None:
        reason = None if media.reason is None else media.reason.value
        return MediaCard(*about, None, reason, media.alt_text, (media.focal_point.x, media.focal_point.y))
    return MediaCard(
        *about,
        kind=result.kind.value,
        alt_text=media.alt_text,
        focal_point=(media.focal_point.x, media.focal_point.y),
        blurhash=result.blurhash,
        width=result.width,
        height=result.height,
        duration=result.duration,
        renditions=tuple(
            RenditionCard(one.name, one.type, one.width, one.height, one.bytes, path_of(media, one))
            for one in result.renditions
        ),
    )


def path_of(media: Media, rendition: Rendition) -> str:
    return f"/media/{media.id}/{media.secret}/{_file(rendition)}"


def _file(rendition: Rendition) -> str:
    return f"{rendition.name}.{EXTENSIONS[rendition.type]}"
