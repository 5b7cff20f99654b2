"""Deleting posts and comments."""

from dataclasses import dataclass

from application.posts.counting import count_above
from application.posts.ports import PostsTx
from application.shared.events import PostDeleted
from application.shared.ports import OpenTx, ViewerContexts
from domain.posts import Post, PostNotFound, can_view
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class DeletePost:
    """Delete one's own post or comment for good. Safe to repeat. Raises PostNotFound, NotTheAuthor."""

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts

    async def __call__(self, user: UserId, post_id: PostId) -> None:
        viewer_context = await self.viewer_contexts.of(user)
        async with self.open_tx() as tx:
            post = await tx.posts.get(post_id)
            if post.deleted and post.author == user:
                return
            if not can_view(post, viewer_context):
                raise PostNotFound("no such post")
            await remove(tx, post, by=user)


async def remove(tx: PostsTx, post: Post, by: UserId) -> None:
    """Delete `post`, which is locked and not deleted yet, and add the event. Raises NotTheAuthor.

    The post leaves a tombstone if a reply that everybody may see is below it. Otherwise the tombstones
    above it that were shown only because of it disappear too.
    """
    await tx.posts.save(post.removed(by=by))
    await count_above(tx, post, comments=-1, replies=0 if post.leaves_tombstone else -1)
    await tx.outbox.add(
        PostDeleted(
            post_id=post.id,
            author_id=post.author,
            reply_to=post.reply_to,
            visibility=post.visibility,
        )
    )
