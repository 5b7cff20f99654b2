"""What all use cases ask first: may one see the post, and whom does a text name."""

from application.posts.ports import People, PostsTx
from domain.posts import (
    Entity,
    Post,
    PostNotFound,
    Standing,
    can_view,
    recognised,
    resolved,
    usernames,
)
from domain.shared import PostId, UserId


async def locked_if_visible(tx: PostsTx, viewer: UserId, post_id: PostId) -> Post:
    """The post, locked, if `viewer` may see it: nothing is done to a post that one may not see, and
    nothing is committed on one whose deletion was answered."""
    post = await tx.posts.get(post_id)
    if not can_view(post, Standing(viewer)):
        raise PostNotFound("no such post")
    return post


async def named_in(text: str, people: People) -> tuple[Entity, ...]:
    """What `text` names. Asked before a transaction: no other module is waited for while rows are locked."""
    found = recognised(text)
    names = usernames(found)
    return resolved(found, await people.ids_named(names) if names else {})
