"""Deleting posts and comments, and erasing everything that a deleted account leaves in posts.

The latter works in small batches that may be interrupted."""

from collections.abc import Callable, Sequence

from application.posts.counting import count_above
from application.posts.ports import PostsTx
from application.shared.events import AccountDeleted, PostDeleted
from application.shared.ports import OpenTx, ViewerContexts
from application.shared.subscriptions import BUDGET, MORE
from domain.dataclasses import dataclass
from domain.posts import Post, PostNotFound, can_view
from domain.shared import EventId, PostId, UserId


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


BATCH = 20
"""Posts in one transaction: on SQLite other writers wait for it."""


@dataclass(frozen=True, slots=True)
class EraseAuthor:
    """Hides everything that a deleted account wrote at once, and then erases it for good.

    Each batch is one transaction, and erased rows are not found again, so it may be interrupted anywhere and repeated.
    After `budget` seconds it returns, so that other events are delivered before it continues.
    """

    open_tx: OpenTx[PostsTx]
    monotonic: Callable[[], float]
    batch: int = BATCH
    budget: float = BUDGET

    async def __call__(
        self, event: AccountDeleted, _event_id: EventId, more: str | None = None
    ) -> str | None:
        user = UserId(event.user_id)
        until = self.monotonic() + self.budget
        if more is None:
            async with self.open_tx() as tx:
                await tx.authors.set_deleted(user)
        while True:
            async with self.open_tx() as tx:
                if not await _erase_some(tx, user, self.batch):
                    return None
            if self.monotonic() >= until:
                return MORE


async def _erase_some(tx: PostsTx, user: UserId, limit: int) -> int:
    """Erase one batch of the first kind of data that is left. Returns 0 when nothing is left."""
    return (
        await _posts(tx, user, limit)
        or await tx.engagements.erase_user(user, limit)
        or await _mentions(tx, user, limit)
        or await tx.erasure.anonymize_deleted_posts(user, 10 * limit)
        or await tx.erasure.compact_index()
    )


async def _posts(tx: PostsTx, user: UserId, limit: int) -> int:
    found = await tx.erasure.find_posts_by(user, limit)
    for post_id in found:
        post = await tx.posts.get(post_id)
        if not post.deleted:
            await remove(tx, post, by=user)
    return len(found)


async def _mentions(tx: PostsTx, user: UserId, limit: int) -> int:
    found = await tx.erasure.find_posts_naming(user, limit)
    for post_id in found:
        post = await tx.posts.get(post_id)
        await tx.posts.save(post.without_mention(of=user))
        await tx.erasure.remove_mentions(post_id, user)
    return len(found)


@dataclass(frozen=True, slots=True)
class ListRecentlyDeleted:
    """The accounts that were deleted in the last 12 hours. A request that was running at the moment of the deletion may
    have written something after everything was erased."""

    open_tx: OpenTx[PostsTx]

    async def __call__(self) -> Sequence[UserId]:
        async with self.open_tx() as tx:
            return await tx.authors.recently_deleted()
