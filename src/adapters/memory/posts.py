"""Posts, comments and likes in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from adapters.memory.outbox import MemoryIdempotency, MemoryOutbox
from adapters.memory.store import Draft, Store
from application.posts.ports import PostRow, PostsTx
from application.shared.paging import Window
from application.shared.ports import NewId, OpenTx
from domain.posts import Post, PostNotFound, Standing, can_view
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class MemoryPosts:
    rows: Draft

    async def add(self, post: Post) -> None:
        self.rows.put("posts", post.id, post)

    async def get(self, post_id: PostId) -> Post:
        post: Post | None = self.rows.get("posts", post_id)
        if post is None:
            raise PostNotFound("no such post")
        return post

    async def save(self, post: Post) -> None:
        saved = replace(
            await self.get(post.id),
            text=post.text,
            content_warning=post.content_warning,
            language=post.language,
            mentioned=post.mentioned,
            edited_at=post.edited_at,
            deleted=post.deleted,
            version=post.version,
        )
        self.rows.put("posts", post.id, saved)

    async def count_comments(self, post_id: PostId, change: int) -> None:
        post: Post | None = self.rows.get("posts", post_id)
        if post is not None:
            self.rows.put("posts", post_id, replace(post, comments=post.comments + change))

    async def like(self, post_id: PostId, user_id: UserId, like_id: int) -> bool:
        if self.rows.get("likes", (post_id, user_id)) is not None:
            return False
        self.rows.put("likes", (post_id, user_id), like_id)
        await self._count_likes(post_id, 1)
        return True

    async def unlike(self, post_id: PostId, user_id: UserId) -> bool:
        if self.rows.get("likes", (post_id, user_id)) is None:
            return False
        self.rows.delete("likes", (post_id, user_id))
        await self._count_likes(post_id, -1)
        return True

    async def _count_likes(self, post_id: PostId, change: int) -> None:
        post = await self.get(post_id)
        self.rows.put("posts", post_id, replace(post, likes=post.likes + change))


@dataclass(frozen=True, slots=True)
class MemoryPostsReader:
    store: Store

    async def post(self, post_id: PostId, standing: Standing) -> PostRow | None:
        post: Post | None = self.store.get("posts", post_id)
        return self._row(post, standing) if post and can_view(post, standing) else None

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
            if can_view(post, standing)
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


def transactions(store: Store, new_id: NewId) -> OpenTx[PostsTx]:
    return store.transactions(
        lambda rows: PostsTx(MemoryPosts(rows), MemoryOutbox(rows, new_id), MemoryIdempotency(rows))
    )
