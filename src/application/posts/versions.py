"""Removing earlier versions from the history of a post."""

from dataclasses import dataclass

from application.posts.access import locked_if_visible
from application.posts.ports import PostsTx
from application.shared.ports import OpenTx, ViewerContexts
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class RemoveVersion:
    """Remove an earlier version of one's own post for good. Safe to repeat. The post itself does not change. Raises
    PostNotFound, NotTheAuthor, VersionNotFound, CurrentVersion."""

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts

    async def __call__(self, user: UserId, post_id: PostId, version: int) -> None:
        viewer_context = await self.viewer_contexts.of(user)
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, viewer_context, post_id)
            post.check_removable(version, by=user)
            await tx.posts.remove_version(post, version)
