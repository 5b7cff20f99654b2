"""Deleting posts and comments."""

from dataclasses import dataclass

from application.posts.ports import PostsTx
from application.shared.events import PostDeleted
from application.shared.ports import OpenTx
from domain.posts import (
    Post,
    PostNotFound,
    Standing,
    can_view,
)
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class DeletePost:
    """Remove one's own post or comment for good; harmless to repeat. Raises PostNotFound, NotTheAuthor."""

    open_tx: OpenTx[PostsTx]

    async def __call__(self, user: UserId, post_id: PostId) -> None:
        async with self.open_tx() as tx:
            post = await tx.posts.get(post_id)
            if post.deleted and post.author == user:
                return
            if not can_view(post, Standing(user)):
                raise PostNotFound("no such post")
            await remove(tx, post, by=user)


async def remove(tx: PostsTx, post: Post, by: UserId) -> None:
    """Delete `post`, which is locked and not deleted yet, and tell the others. Raises NotTheAuthor."""
    await tx.posts.save(post.removed(by=by))
    if post.reply_to is not None and post.counts_in(await tx.posts.get(post.reply_to)):
        await tx.posts.count_comments(post.reply_to, -1)
    await tx.outbox.add(
        PostDeleted(
            post_id=post.id,
            author_id=post.author,
            reply_to=post.reply_to,
            visibility=post.visibility,
        )
    )
