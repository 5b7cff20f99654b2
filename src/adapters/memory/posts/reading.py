"""Reading posts, outside of transactions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapters.memory.posts.authors import with_author
from adapters.memory.store import Store
from application.posts.ports import PostRow
from application.shared.paging import Window
from domain.posts import Post, Standing, can_view
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class MemoryPostsReader:
    store: Store

    async def post(self, post_id: PostId, standing: Standing) -> PostRow | None:
        post: Post | None = self.store.get("posts", post_id)
        return self._row(post, standing) if post and self._visible(post, standing) else None

    def _visible(self, post: Post, standing: Standing) -> bool:
        return can_view(with_author(self.store, post), standing)

    async def by_author(self, author: UserId, window: Window, standing: Standing) -> Sequence[PostRow]:
        mine = (post for post in self.store.all("posts") if post.author == author and post.reply_to is None)
        return self._page(mine, window, standing, newest_first=True)

    async def comments(self, post_id: PostId, window: Window, standing: Standing) -> Sequence[PostRow]:
        answers = (post for post in self.store.all("posts") if post.reply_to == post_id)
        return self._page(answers, window, standing, newest_first=False)

    def _page(
        self, posts: Iterable[Post], window: Window, standing: Standing, *, newest_first: bool
    ) -> Sequence[PostRow]:
        falling = newest_first != window.back
        beyond = [
            post
            for post in posts
            if self._visible(post, standing)
            and (window.edge is None or (post.id < window.edge if falling else post.id > window.edge))
        ]
        beyond.sort(key=lambda post: post.id, reverse=falling)
        rows = [self._row(post, standing) for post in beyond[: window.limit + 1]]
        return rows[::-1] if window.back else rows

    def _row(self, post: Post, standing: Standing) -> PostRow:
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
            mentioned=tuple(sorted(post.mentioned)),
            liked=self.store.get("likes", (post.id, standing.viewer)) is not None,
        )
