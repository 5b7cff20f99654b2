"""What posts does when media tells it that something of a post's media has changed."""

from dataclasses import dataclass

from application.posts.ports import PostsTx
from application.posts.publishing import tell_published
from application.shared.attachments import Attachable
from application.shared.events import AttachedMediaChanged
from application.shared.ports import OpenTx
from domain.posts import PostNotFound
from domain.shared import EventId, MediaId, PostId, UserId


@dataclass(frozen=True, slots=True)
class ShowMedia:
    """Shows media in its post as it is now, and lets the post be seen when all of them are ready. Safe to repeat, and
    in any order: what is newer stays."""

    open_tx: OpenTx[PostsTx]
    attachable: Attachable

    async def __call__(self, event: AttachedMediaChanged, _event_id: EventId) -> None:
        media_id = MediaId(event.media_id)
        card = (await self.attachable.cards(UserId(event.owner_id), [media_id])).get(media_id)
        if card is None:  # it is deleted: with the post, or removed from it
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
            shown = post.whole() if all(one.ready for one in now) else post
            await tx.posts.show(shown, now)
            if shown is not post:
                await tell_published(tx, shown)
