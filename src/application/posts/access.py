"""Checks that several use cases begin with: may the user see the post, and which users does a text name."""

from application.posts.ports import AuthorDirectory, PostsTx
from domain.posts import (
    Entity,
    Post,
    PostNotFound,
    can_view,
    find_entities,
    mentioned_usernames,
    resolve_mentions,
)
from domain.shared import PostId, UserId, ViewerContext


async def locked_if_visible(tx: PostsTx, viewer_context: ViewerContext, post_id: PostId) -> Post:
    """The post, locked, if `viewer_context` may see it. So nothing is committed on a post after the response to
    its deletion. Raises PostNotFound, also if the viewer may not see it."""
    post = await tx.posts.get(post_id)
    if not can_view(post, viewer_context):
        raise PostNotFound("no such post")
    return post


async def recipients(post: Post, people: AuthorDirectory) -> frozenset[UserId]:
    """The existing users that a post mentions besides its author. Cards are cached, so a caller that holds locks seldom
    waits for another module."""
    others = post.mentioned - {post.author}
    return frozenset(await people.cards(others)) if others else others


async def entities_in(text: str, people: AuthorDirectory, author: ViewerContext) -> tuple[Entity, ...]:
    """The entities of `text`. Users who block the author or are blocked by the author are not mentioned. Call it before
    a transaction: it waits for another module."""
    found = find_entities(text)
    names = mentioned_usernames(found)
    ids = await people.ids_named(names) if names else {}
    return resolve_mentions(found, {name: id_ for name, id_ in ids.items() if id_ not in author.blocked})
