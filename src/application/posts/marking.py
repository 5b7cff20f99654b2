"""Likes, reposts, bookmarks and pins. To set what is set and to take back what is not there is harmless."""

from dataclasses import dataclass, replace

from application.posts.access import locked_if_visible
from application.posts.ports import PostsTx
from application.shared.events import Event, Liked, Reposted, Unliked, Unreposted
from application.shared.ports import IdempotentRequest, NewId, OpenTx, ViewerContexts
from domain.posts import (
    MAX_BOOKMARKS,
    MAX_PINS,
    Mark,
    Post,
    PostNotFound,
    TooManyBookmarks,
    TooManyPins,
    can_view,
    check_mark,
    check_pin,
    check_unpin,
    counted,
)
from domain.shared import PostId, UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class Reception:
    """How a post is received, and what the viewer has left on it. Counts that neither the viewer nor everybody may see
    are zero."""

    comments: int
    likes: int
    reposts: int
    marks: frozenset[Mark]
    pinned: bool


@dataclass(frozen=True, slots=True)
class MarkPost:
    """Leave a mark on a post, or take it back. Raises PostNotFound, CannotRepost, TooManyBookmarks.

    A user can take a mark back after the post was hidden from them or deleted. Who cannot see the post and never left
    such a mark gets PostNotFound, as if there was no post.
    """

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts
    new_id: NewId

    async def __call__(self, user: UserId, post_id: PostId, mark: Mark, *, on: bool) -> Reception:
        viewer_context = await self.viewer_contexts.of(user)
        async with self.open_tx() as tx:
            if on:
                post = await locked_if_visible(tx, viewer_context, post_id)
                mark_id = await self._leave(tx, post, user, mark)
            else:
                post = await tx.posts.get(post_id)
                mark_id = await tx.marks.take_back(mark, post.id, user)
                if not can_view(post, viewer_context):
                    await _check_was_marked(tx, post, user, mark, mark_id)
            if mark_id is not None:
                if event := _event(post, user, mark, mark_id, on=on):
                    await tx.outbox.add(event)
                post = counted(post, mark, 1 if on else -1)
            return await _reception(tx, _as_told_to(viewer_context, post), user)

    async def _leave(self, tx: PostsTx, post: Post, user: UserId, mark: Mark) -> int | None:
        check_mark(post, mark)
        mark_id = self.new_id()
        if not await tx.marks.leave(mark, post.id, user, mark_id):
            return None
        if mark is Mark.BOOKMARK and await tx.marks.bookmarks_of(user) > MAX_BOOKMARKS:
            # Looked for only now: it takes a look at each post.
            await tx.marks.forget_deleted(user)
            if await tx.marks.bookmarks_of(user) > MAX_BOOKMARKS:
                raise TooManyBookmarks(f"a user keeps at most {MAX_BOOKMARKS:,} bookmarks")
        return mark_id


async def _check_was_marked(tx: PostsTx, post: Post, user: UserId, mark: Mark, mark_id: int | None) -> None:
    """Raises PostNotFound unless the mark on this hidden post was taken back now, or within the last 24 hours: a client
    may repeat a request whose answer was lost, and gets the same answer."""
    idempotent_request = IdempotentRequest(
        f"{user}:take_back:{mark}", str(post.id), fingerprint="", owner=user
    )
    repeated = await tx.idempotency.begin(idempotent_request) is not None
    if mark_id is None and not repeated:
        raise PostNotFound("no such post")
    if not repeated:
        await tx.idempotency.finish(idempotent_request, {})


def _as_told_to(viewer_context: ViewerContext, post: Post) -> Post:
    """The post without its counts if neither the viewer nor everybody may see it."""
    if can_view(post, viewer_context) or can_view(post, ViewerContext()):
        return post
    return replace(post, comments=0, likes=0, reposts=0, pin=None)


def _event(post: Post, user: UserId, mark: Mark, mark_id: int, *, on: bool) -> Event | None:
    """What others are told. Of a bookmark nobody hears."""
    match mark:
        case Mark.LIKE:
            return (Liked if on else Unliked)(post_id=post.id, author_id=post.author, user_id=user)
        case Mark.REPOST:
            return (Reposted if on else Unreposted)(
                post_id=post.id, author_id=post.author, user_id=user, repost_id=mark_id
            )
        case Mark.BOOKMARK:
            return None


@dataclass(frozen=True, slots=True)
class PinPost:
    """Pin a post to one's profile, or unpin it. A post that is pinned already keeps its place among them.
    Raises PostNotFound, NotTheAuthor, CannotPin, TooManyPins."""

    open_tx: OpenTx[PostsTx]
    viewer_contexts: ViewerContexts
    new_id: NewId

    async def __call__(self, user: UserId, post_id: PostId, *, on: bool) -> Reception:
        viewer_context = await self.viewer_contexts.of(user)
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, viewer_context, post_id)
            (check_pin if on else check_unpin)(post, user)
            if on is (post.pin is None):
                post = replace(post, pin=self.new_id() if on else None)
                await tx.marks.pin(post.id, post.pin)
                if on and await tx.marks.pins_of(user) > MAX_PINS:
                    raise TooManyPins(f"at most {MAX_PINS} posts can be pinned")
            return await _reception(tx, post, user)


async def _reception(tx: PostsTx, post: Post, user: UserId) -> Reception:
    marks = await tx.marks.left_on(post.id, user)
    return Reception(post.comments, post.likes, post.reposts, marks, post.pin is not None)
