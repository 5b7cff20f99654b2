"""Reading posts, outside of transactions."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from adapters.memory.posts.authors import with_author
from adapters.memory.store import Rows, Store
from application.posts.ports import PostRow, Tombstone, VersionRow
from application.shared.paging import Window
from domain.posts import Mark, Post, Standing, can_view
from domain.shared import PostId, UserId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MemoryPostsReader:
    store: Store

    async def post(self, post_id: PostId, standing: Standing) -> PostRow | None:
        post: Post | None = self.store.get("posts", post_id)
        return read_row(self.store, post, standing) if post and shown(self.store, post, standing) else None

    async def by_author(self, author: UserId, window: Window, standing: Standing) -> Sequence[PostRow]:
        mine = (post for post in self.store.all("posts") if post.author == author and post.reply_to is None)
        return self._page(mine, window, standing, newest_first=True)

    async def by_ids(self, ids: Collection[PostId], standing: Standing) -> Mapping[PostId, PostRow]:
        rows = [await self.post(id_, standing) for id_ in ids]
        return {row.id: row for row in rows if row is not None}

    async def comments(
        self, post_id: PostId, window: Window, standing: Standing
    ) -> Sequence[PostRow | Tombstone]:
        listed = [
            post
            for post in self.store.all("posts")
            if post.reply_to == post_id and (shown(self.store, post, standing) or post.shown_as_tombstone)
        ]
        return [
            self._place(post, standing)
            for post in window_of(listed, window, lambda post: post.id, newest_first=False)
        ]

    async def tombstone(self, post_id: PostId) -> Tombstone | None:
        post: Post | None = self.store.get("posts", post_id)
        return Tombstone(post.id, post.reply_to) if post and post.shown_as_tombstone else None

    async def answers(
        self, ids: Collection[PostId], each: int, limit: int, standing: Standing
    ) -> Sequence[PostRow | Tombstone]:
        first = [row for id_ in ids for row in (await self.comments(id_, Window(each), standing))[:each]]
        return sorted(first, key=lambda row: row.id)[:limit]

    async def answered(self, ids: Collection[PostId], standing: Standing) -> Collection[PostId]:
        return {id_ for id_ in ids if await self.comments(id_, Window(1), standing)}

    async def ancestors(self, post_id: PostId, limit: int) -> Sequence[Tombstone]:
        above: list[Tombstone] = []
        post: Post = self.store.get("posts", post_id)
        while post.reply_to is not None and len(above) < limit:
            post = self.store.get("posts", post.reply_to)
            above.append(Tombstone(post.id, post.reply_to))
        return above

    async def versions(self, post_id: PostId, window: Window, standing: Standing) -> Sequence[VersionRow]:
        post: Post | None = self.store.get("posts", post_id)
        if post is None or not shown(self.store, post, standing):
            return []
        every = [*(self.store.get("post_edits", post_id) or ()), post]
        rows = [
            VersionRow(
                post.version,
                post.text,
                post.content_warning,
                post.language,
                post.edited_at or post.created_at,
                post.entities,
            )
            for post in every
        ]
        return window_of(rows, window, lambda row: row.version, newest_first=False)

    def _page(
        self, posts: Iterable[Post], window: Window, standing: Standing, *, newest_first: bool
    ) -> Sequence[PostRow]:
        rows = (read_row(self.store, post, standing) for post in posts if shown(self.store, post, standing))
        return window_of(rows, window, lambda row: row.id, newest_first=newest_first)

    def _place(self, post: Post, standing: Standing) -> PostRow | Tombstone:
        return Tombstone(post.id, post.reply_to) if post.deleted else read_row(self.store, post, standing)


def shown(rows: Rows, post: Post, standing: Standing) -> bool:
    return can_view(with_author(rows, post), standing)


def window_of(
    items: Iterable[T], window: Window, key: Callable[[T], int], *, newest_first: bool
) -> Sequence[T]:
    """The items of the window in the list's order, and one more if there is one."""
    falling = newest_first != window.back
    beyond = [
        item
        for item in items
        if window.edge is None or (key(item) < window.edge if falling else key(item) > window.edge)
    ]
    beyond.sort(key=key, reverse=falling)
    found = beyond[: window.limit + 1]
    return found[::-1] if window.back else found


def read_row(rows: Rows, post: Post, standing: Standing) -> PostRow:
    def left(mark: Mark) -> bool:
        return rows.get(f"{mark}s", (post.id, standing.viewer)) is not None

    return PostRow(
        id=post.id,
        author=post.author,
        text=post.text,
        visibility=post.visibility,
        content_warning=post.content_warning,
        language=post.language,
        reply_to=post.reply_to,
        edited_at=post.edited_at,
        version=post.version,
        comments=post.comments,
        likes=post.likes,
        reposts=post.reposts,
        pinned=post.pin is not None,
        mentioned=tuple(sorted(post.mentioned)),
        liked=left(Mark.LIKE),
        reposted=left(Mark.REPOST),
        bookmarked=left(Mark.BOOKMARK),
        entities=post.entities,
    )
