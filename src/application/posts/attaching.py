"""Event handler of posts for changes of attached media."""

from dataclasses import dataclass

from application.posts.ports import PostsTx
from application.posts.publishing import announce_published
from application.shared.attachments import Attachable
from application.shared.events import AttachedMediaChanged
from application.shared.ports import OpenTx
from domain.posts import PostNotFound
from domain.shared import EventId, MediaId, PostId, UserId


@dataclass(frozen=True, slots=True)
class UpdateAttachedMedia:
    """Updates the card of media in its post, and publishes the post when all of its media are ready. Safe to repeat,
    and in any order: a newer card stays."""

    open_tx: OpenTx[PostsTx]
    attachable: Attachable

    async def __call__(self, event: AttachedMediaChanged, _event_id: EventId) -> None:
        media_id = MediaId(event.media_id)
        card = (await self.attachable.cards(UserId(event.owner_id), [media_id])).get(media_id)
        if card is None:  # deleted with the post, or removed from it
            return
        async with self.open_tx() as tx:
            try:
                post = await tx.posts.get(PostId(event.post_id))
            except PostNotFound:
                return
            if media_id not in post.media:
                return
            before = await tx.posts.cards(post.id)
            now = [card if old.id == card.id and old.version < card.version else old for old in before]
            if now == before:
                return
            updated = post.as_published() if all(one.ready for one in now) else post
            await tx.posts.update_media(updated, now)
            if updated is not post:
                await announce_published(tx, updated)
