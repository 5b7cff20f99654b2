"""The media that an author may attach. Posts asks."""

from collections.abc import Collection, Mapping

from application.media.ports import MediaReader
from application.media.serving import card_of
from application.shared.attachments import MediaCard
from application.shared.ports import Clock
from domain.dataclasses import dataclass
from domain.media import ATTACH_MARGIN, ATTACH_WITHIN
from domain.shared import MediaId, UserId


@dataclass(frozen=True, slots=True)
class AttachableMedia:
    """The media that an author may attach to a post, as cards."""

    reader: MediaReader
    clock: Clock

    async def cards(self, owner: UserId, ids: Collection[MediaId]) -> Mapping[MediaId, MediaCard]:
        found = await self.reader.media(ids)
        # Media that the sweep is about to remove count as gone: else a post could get it in the same moment.
        oldest = self.clock() - ATTACH_WITHIN + ATTACH_MARGIN
        return {
            id_: card_of(one)
            for id_, one in found.items()
            if one.owner == owner and not one.deleted and (one.post is not None or one.created_at > oldest)
        }
