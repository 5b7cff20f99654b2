"""What all use cases ask first: may one see the post, and whom does a text name."""

from application.posts.ports import People, PostsTx
from domain.posts import Entity, Post, PostNotFound, can_view, find_entities, resolve_mentions, mentioned_usernames
from domain.shared import PostId, UserId, ViewerContext


async def locked_if_visible(tx: PostsTx, viewer_context: ViewerContext, post_id: PostId) -> Post:
    """The post, locked, if `viewer_context` may see it: nothing is done to a post that one may not see, and
    nothing is committed on one whose deletion was answered."""
    post = await tx.posts.get(post_id)
    if not can_view(post, viewer_context):
        raise PostNotFound("no such post")
    return post


async def recipients(post: Post, people: People) -> frozenset[UserId]:
    """Whom a post mentions besides its author, of those who exist. Cards are cached, so another module is seldom
    waited for while rows are locked."""
    others = post.mentioned - {post.author}
    return frozenset(await people.cards(others)) if others else others


async def entities_in(text: str, people: People, author: ViewerContext) -> tuple[Entity, ...]:
    """What `text` names, those aside who block its author or are blocked by them: they are not mentioned. Asked
    before a transaction: no other module is waited for while rows are locked."""
    found = find_entities(text)
    names = mentioned_usernames(found)
    ids = await people.ids_named(names) if names else {}
    return resolve_mentions(found, {name: id_ for name, id_ in ids.items() if id_ not in author.blocked})
