"""Liking, and taking a like back."""

from dataclasses import dataclass

from application.posts.access import locked_if_visible
from application.posts.ports import PostsTx
from application.shared.events import Event, Liked, Unliked
from application.shared.ports import NewId, OpenTx
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class Reception:
    """How a post was received, and what the viewer has to do with it."""

    comments: int
    likes: int
    liked: bool


@dataclass(frozen=True, slots=True)
class LikePost:
    """Like a post or take the like back; both are harmless to repeat. Raises PostNotFound."""

    open_tx: OpenTx[PostsTx]
    new_id: NewId

    async def __call__(self, user: UserId, post_id: PostId, *, liked: bool) -> Reception:
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, user, post_id)
            event: Event
            if liked:
                changed = await tx.posts.like(post.id, user, self.new_id())
                event = Liked(post_id=post.id, author_id=post.author, user_id=user)
            else:
                changed = await tx.posts.unlike(post.id, user)
                event = Unliked(post_id=post.id, author_id=post.author, user_id=user)
            if changed:
                await tx.outbox.add(event)
        likes = post.likes + (0 if not changed else 1 if liked else -1)
        return Reception(post.comments, likes, liked)
