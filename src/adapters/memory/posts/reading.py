"""Reading posts, outside of transactions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from adapters.memory.posts.authors import with_author
from adapters.memory.store import Rows, Store
from application.posts.ports import PostRow
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

    async def comments(self, post_id: PostId, window: Window, standing: Standing) -> Sequence[PostRow]:
        answers = (post for post in self.store.all("posts") if post.reply_to == post_id)
        return self._page(answers, window, standing, newest_first=False)

    def _page(
        self, posts: Iterable[Post], window: Window, standing: Standing, *, newest_first: bool
    ) -> Sequence[PostRow]:
        rows = (read_row(self.store, post, standing) for post in posts if shown(self.store, post, standing))
        return window_of(rows, window, lambda row: row.id, newest_first=newest_first)


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
    )
