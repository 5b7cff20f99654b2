"""Deleting posts and comments."""

from dataclasses import dataclass, replace

from application.posts.ports import PostsTx
from application.shared.events import PostDeleted
from application.shared.ports import OpenTx, Standings
from domain.posts import Post, PostNotFound, can_view
from domain.shared import PostId, UserId

MAX_CASCADE = 200
"""How many tombstones one deletion takes away. What is left of a longer chain shows nothing below it."""


@dataclass(frozen=True, slots=True)
class DeletePost:
    """Remove one's own post or comment for good; harmless to repeat. Raises PostNotFound, NotTheAuthor."""

    open_tx: OpenTx[PostsTx]
    standings: Standings

    async def __call__(self, user: UserId, post_id: PostId) -> None:
        standing = await self.standings.of(user)
        async with self.open_tx() as tx:
            post = await tx.posts.get(post_id)
            if post.deleted and post.author == user:
                return
            if not can_view(post, standing):
                raise PostNotFound("no such post")
            await remove(tx, post, by=user)


async def remove(tx: PostsTx, post: Post, by: UserId) -> None:
    """Delete `post`, which is locked and not deleted yet, and tell the others. Raises NotTheAuthor.

    It leaves a tombstone where something stands below it that everybody may see. Where it does not, the
    tombstones above it go too that stood there for its sake alone.
    """
    await tx.posts.save(post.removed(by=by))
    below = post
    for _ in range(MAX_CASCADE):
        if below.reply_to is None:
            break
        above = await tx.posts.get(below.reply_to)
        if not below.counts_in(above):
            break
        gone = not below.leaves_tombstone
        await tx.posts.count_answers(above.id, comments=-1 if below is post else 0, answers=-gone)
        if not (gone and above.shown_as_tombstone and above.answers == 1):
            break
        below = replace(above, answers=0)
    await tx.outbox.add(
        PostDeleted(
            post_id=post.id,
            author_id=post.author,
            reply_to=post.reply_to,
            visibility=post.visibility,
        )
    )
