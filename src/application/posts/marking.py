"""Likes, reposts, bookmarks and pins. To set what is set and to take back what is not there is harmless."""

from dataclasses import dataclass, replace

from application.posts.access import locked_if_visible
from application.posts.ports import PostsTx
from application.shared.events import Event, Liked, Reposted, Unliked, Unreposted
from application.shared.ports import NewId, OpenTx, Standings
from domain.posts import (
    MAX_BOOKMARKS,
    MAX_PINS,
    Mark,
    Post,
    TooManyBookmarks,
    TooManyPins,
    check_mark,
    check_pin,
    check_unpin,
    counted,
)
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class Reception:
    """How a post is received, and what the viewer has left on it."""

    comments: int
    likes: int
    reposts: int
    marks: frozenset[Mark]
    pinned: bool


@dataclass(frozen=True, slots=True)
class MarkPost:
    """Leave a mark on a post, or take it back. Raises PostNotFound, CannotRepost, TooManyBookmarks."""

    open_tx: OpenTx[PostsTx]
    standings: Standings
    new_id: NewId

    async def __call__(self, user: UserId, post_id: PostId, mark: Mark, *, on: bool) -> Reception:
        standing = await self.standings.of(user)
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, standing, post_id)
            if on:
                mark_id = await self._leave(tx, post, user, mark)
            else:
                mark_id = await tx.marks.take_back(mark, post.id, user)
            if mark_id is not None:
                if event := _event(post, user, mark, mark_id, on=on):
                    await tx.outbox.add(event)
                post = counted(post, mark, 1 if on else -1)
            return await _reception(tx, post, user)

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
    standings: Standings
    new_id: NewId

    async def __call__(self, user: UserId, post_id: PostId, *, on: bool) -> Reception:
        standing = await self.standings.of(user)
        async with self.open_tx() as tx:
            post = await locked_if_visible(tx, standing, post_id)
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
