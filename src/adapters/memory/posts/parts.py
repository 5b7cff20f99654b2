"""A post as it is read: its state, its content, and its view."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adapters.memory.posts.authors import with_author_state
from adapters.memory.store import Rows, Store
from application.posts.views import PostContent, PostState, PostView
from application.shared.attachments import MediaCard
from domain.posts import Engagement, Post
from domain.shared import PostId, UserId

CARDS, OWNERS = "post_cards", "post_media"
"""Tables: the attached cards of each post, and the post of each media."""


class AttachedCards(NamedTuple):
    cards: tuple[MediaCard, ...] = ()
    revision: int = 1
    """Rises with every change of the cards."""


_NO_CARDS = AttachedCards(revision=0)


@dataclass(frozen=True, slots=True)
class MemoryPostParts:
    store: Store

    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[PostState]:
        return [state_of(self.store, post, viewer) for post in self._posts(ids)]

    async def contents(self, ids: Collection[PostId]) -> Mapping[PostId, PostContent]:
        return {post.id: content_of(self.store, post) for post in self._posts(ids)}

    def _posts(self, ids: Collection[PostId]) -> list[Post]:
        return [post for id_ in ids if (post := self.store.get("posts", id_)) is not None]


def view_of(rows: Rows, post: Post, viewer: UserId | None) -> PostView:
    return PostView(state_of(rows, post, viewer), content_of(rows, post))


def state_of(rows: Rows, post: Post, viewer: UserId | None) -> PostState:
    def has(engagement: Engagement) -> bool:
        return rows.get(f"{engagement}s", (post.id, viewer)) is not None

    return PostState(
        id=post.id,
        author=post.author,
        version=post.version,
        reply_to=post.reply_to,
        comments=post.comments,
        likes=post.likes,
        reposts=post.reposts,
        mentioned=tuple(sorted(post.mentioned)),
        visibility=post.visibility,
        pinned=post.pin is not None,
        liked=has(Engagement.LIKE),
        reposted=has(Engagement.REPOST),
        bookmarked=has(Engagement.BOOKMARK),
        author_state=with_author_state(rows, post).author_state,
        deleted=post.deleted,
        content_revision=_content_revision(rows, post),
    )


def content_of(rows: Rows, post: Post) -> PostContent:
    return PostContent(
        version=post.version,
        revision=_content_revision(rows, post),
        text=post.text,
        content_warning=post.content_warning,
        language=post.language,
        edited_at=post.edited_at,
        entities=post.entities,
        media=attached(rows, post.id).cards,
        pending_visibility=post.pending and post.pending.visibility,
    )


def _content_revision(rows: Rows, post: Post) -> int:
    return len(post.entities) + (attached(rows, post.id).revision << 32)


def attached(rows: Rows, post_id: PostId) -> AttachedCards:
    """The cards of the media of a post."""
    found: AttachedCards | None = rows.get(CARDS, post_id)
    return found or _NO_CARDS
