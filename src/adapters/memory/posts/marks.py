"""Likes, reposts, bookmarks and pins."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from adapters.memory.paging import window_of
from adapters.memory.posts.reading import read_row, shown
from adapters.memory.store import Draft, Store
from application.posts.ports import Marked, MarkedBy
from application.shared.paging import Window
from domain.posts import Mark, Post, counted
from domain.shared import PostId, UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class StoredMark:
    id: int
    post_id: PostId
    user_id: UserId


def table(mark: Mark) -> str:
    return f"{mark}s"


@dataclass(frozen=True, slots=True)
class MemoryMarks:
    rows: Draft

    async def leave(self, mark: Mark, post_id: PostId, user_id: UserId, mark_id: int) -> bool:
        if self.rows.get(table(mark), (post_id, user_id)) is not None:
            return False
        self.rows.put(table(mark), (post_id, user_id), StoredMark(mark_id, post_id, user_id))
        self._count(mark, post_id, 1)
        return True

    async def take_back(self, mark: Mark, post_id: PostId, user_id: UserId) -> int | None:
        stored: StoredMark | None = self.rows.get(table(mark), (post_id, user_id))
        if stored is None:
            return None
        self.rows.delete(table(mark), (post_id, user_id))
        self._count(mark, post_id, -1)
        return stored.id

    async def left_on(self, post_id: PostId, user_id: UserId) -> frozenset[Mark]:
        return frozenset(mark for mark in Mark if self.rows.get(table(mark), (post_id, user_id)))

    async def bookmarks_of(self, user_id: UserId) -> int:
        return sum(stored.user_id == user_id for stored in self.rows.all(table(Mark.BOOKMARK)))

    async def forget_deleted(self, user_id: UserId) -> None:
        for stored in [*self.rows.all(table(Mark.BOOKMARK))]:
            if stored.user_id == user_id and self.rows.get("posts", stored.post_id).deleted:
                self.rows.delete(table(Mark.BOOKMARK), (stored.post_id, user_id))

    async def pin(self, post_id: PostId, pin: int | None) -> None:
        self.rows.put("posts", post_id, replace(self.rows.get("posts", post_id), pin=pin))

    async def pins_of(self, author: UserId) -> int:
        return sum(post.author == author and post.pin is not None for post in self.rows.all("posts"))

    async def forget(self, user_id: UserId, limit: int) -> int:
        mine = [(mark, stored) for mark in Mark for stored in self.rows.all(table(mark))]
        mine = [(mark, stored) for mark, stored in mine if stored.user_id == user_id][:limit]
        for mark, stored in mine:
            await self.take_back(mark, stored.post_id, user_id)
        return len(mine)

    def _count(self, mark: Mark, post_id: PostId, change: int) -> None:
        self.rows.put("posts", post_id, counted(self.rows.get("posts", post_id), mark, change))


@dataclass(frozen=True, slots=True)
class MemoryMarksReader:
    store: Store

    async def people(
        self, mark: Mark, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[MarkedBy]:
        hidden = viewer_context.blocked | viewer_context.muted
        on_it = (
            MarkedBy(stored.id, stored.user_id)
            for stored in self.store.all(table(mark))
            if stored.post_id == post_id and stored.user_id not in hidden
        )
        return window_of(on_it, window, lambda one: one.mark, newest_first=True)

    async def posts(
        self, mark: Mark, user_id: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[Marked]:
        mine = (
            (stored.id, self.store.get("posts", stored.post_id))
            for stored in self.store.all(table(mark))
            if stored.user_id == user_id
        )
        return self._page(mine, window, viewer_context)

    async def pinned(self, author: UserId, window: Window, viewer_context: ViewerContext) -> Sequence[Marked]:
        mine = ((post.pin, post) for post in self.store.all("posts") if post.author == author and post.pin)
        return self._page(mine, window, viewer_context)

    async def involved(self, post_id: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        marked = (
            stored.user_id
            for mark in (Mark.LIKE, Mark.REPOST)
            for stored in self.store.all(table(mark))
            if stored.post_id == post_id
        )
        answered = (
            post.author for post in self.store.all("posts") if post.reply_to == post_id and not post.deleted
        )
        return sorted({user for user in (*marked, *answered) if user > after})[:limit]

    def _page(
        self, marked: Iterable[tuple[int, Post]], window: Window, viewer_context: ViewerContext
    ) -> Sequence[Marked]:
        listed = (
            Marked(mark, read_row(self.store, post, viewer_context))
            for mark, post in marked
            if shown(self.store, post, viewer_context)
        )
        return window_of(listed, window, lambda one: one.mark, newest_first=True)
