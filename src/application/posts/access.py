"""Who may do something to a post."""

from application.posts.ports import PostsTx
from domain.posts import (
    Post,
    PostNotFound,
    Standing,
    can_view,
)
from domain.shared import PostId, UserId


async def locked_if_visible(tx: PostsTx, viewer: UserId, post_id: PostId) -> Post:
    """The post, locked, if `viewer` may see it: nothing is done to a post that one may not see, and
    nothing is committed on one whose deletion was answered."""
    post = await tx.posts.get(post_id)
    if not can_view(post, Standing(viewer)):
        raise PostNotFound("no such post")
    return post
