"""A post as it is read: its state, and its words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adapters.memory.posts.authors import with_author
from adapters.memory.store import Rows, Store
from application.posts.rows import Body, State
from application.shared.attachments import MediaCard
from domain.posts import Mark, Post
from domain.shared import PostId, UserId

CARDS, TAKEN = "post_cards", "post_media"
"""Tables: what is shown of the media of a post, and the post of each media."""


class Shown(NamedTuple):
    cards: tuple[MediaCard, ...] = ()
    rev: int = 1


_NOTHING = Shown(rev=0)


@dataclass(frozen=True, slots=True)
class MemoryPostParts:
    store: Store

    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[State]:
        return [state_of(self.store, post, viewer) for post in self._posts(ids)]

    async def bodies(self, ids: Collection[PostId]) -> Mapping[PostId, Body]:
        return {post.id: body_of(self.store, post) for post in self._posts(ids)}

    def _posts(self, ids: Collection[PostId]) -> list[Post]:
        return [post for id_ in ids if (post := self.store.get("posts", id_)) is not None]


def state_of(rows: Rows, post: Post, viewer: UserId | None) -> State:
    def left(mark: Mark) -> bool:
        return rows.get(f"{mark}s", (post.id, viewer)) is not None

    return State(
        id=post.id,
        author=post.author,
        version=post.version,
        size=_size(rows, post),
        visibility=post.visibility,
        reply_to=post.reply_to,
        deleted=post.deleted,
        author_state=with_author(rows, post).author_state,
        mentioned=tuple(sorted(post.mentioned)),
        comments=post.comments,
        likes=post.likes,
        reposts=post.reposts,
        pinned=post.pin is not None,
        liked=left(Mark.LIKE),
        reposted=left(Mark.REPOST),
        bookmarked=left(Mark.BOOKMARK),
    )


def body_of(rows: Rows, post: Post) -> Body:
    return Body(
        version=post.version,
        size=_size(rows, post),
        text=post.text,
        content_warning=post.content_warning,
        language=post.language,
        edited_at=post.edited_at,
        entities=post.entities,
        media=shown(rows, post.id).cards,
        becoming=post.becoming and post.becoming.visibility,
    )


def _size(rows: Rows, post: Post) -> int:
    return len(post.entities) + (shown(rows, post.id).rev << 32)


def shown(rows: Rows, post_id: PostId) -> Shown:
    """What is shown of the media of a post."""
    found: Shown | None = rows.get(CARDS, post_id)
    return found or _NOTHING
