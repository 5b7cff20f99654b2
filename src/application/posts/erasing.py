"""Erasing everything that a deleted account leaves in posts, in small batches that may be interrupted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.posts.deleting import remove
from application.posts.ports import PostsTx
from application.shared.events import AccountDeleted
from application.shared.ports import OpenTx
from application.shared.subscriptions import BUDGET, MORE
from domain.shared import EventId, UserId

BATCH = 20
"""Posts in one transaction: on SQLite other writers wait for it."""


@dataclass(frozen=True, slots=True)
class EraseAuthor:
    """Hides everything that a deleted account wrote at once, and then erases it for good.

    Each batch is one transaction, and erased rows are not found again: so it may be interrupted anywhere and repeated.
    When the time is up, other events have their turn before it continues.
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
