"""An owner reads media, and changes its alt text and focal point."""

from application.media.ports import MediaReader, MediaTx
from application.media.uploading import require_owner
from application.shared.events import AttachedMediaChanged
from application.shared.ports import OpenTx
from domain.dataclasses import dataclass
from domain.media import ALT_TEXT, FocalPoint, Media, MediaNotFound
from domain.shared import CountGraphemes, MediaId, UserId


@dataclass(frozen=True, slots=True)
class UpdateMedia:
    """Change the alt text or the focal point: each that is not None. Raises Invalid and MediaNotFound."""

    open_tx: OpenTx[MediaTx]
    graphemes: CountGraphemes

    async def __call__(
        self, owner: UserId, media_id: MediaId, alt_text: str | None, focal_point: FocalPoint | None
    ) -> Media:
        if alt_text is not None:
            alt_text = ALT_TEXT.apply(alt_text, self.graphemes)
        async with self.open_tx() as tx:
            media = require_owner(await tx.media.get(media_id), owner).with_details(alt_text, focal_point)
            await tx.media.save(media)
            if media.post is not None:
                await tx.outbox.add(
                    AttachedMediaChanged(
                        media_id=media.id, post_id=media.post, owner_id=media.owner, version=media.version
                    )
                )
        return media


@dataclass(frozen=True, slots=True)
class ReadMedia:
    """Read media as its owner. Raises MediaNotFound, also for the media of another user."""

    reader: MediaReader

    async def __call__(self, owner: UserId, media_id: MediaId) -> Media:
        media = (await self.reader.media([media_id])).get(media_id)
        if media is None:
            raise MediaNotFound("no such media")
        return require_owner(media, owner)
