"""Writing posts, within a transaction."""

from dataclasses import dataclass, replace

from adapters.memory.outbox import MemoryIdempotency, MemoryOutbox
from adapters.memory.posts.authors import MemoryAuthors, with_author
from adapters.memory.posts.marks import MemoryMarks
from adapters.memory.posts.traces import MemoryTraces
from adapters.memory.store import Draft, Store
from application.posts.ports import PostsTx
from application.shared.ports import NewId, OpenTx
from domain.posts import Post, PostNotFound
from domain.shared import PostId


@dataclass(frozen=True, slots=True)
class MemoryPosts:
    rows: Draft

    async def add(self, post: Post) -> None:
        self.rows.put("posts", post.id, post)

    async def get(self, post_id: PostId) -> Post:
        return with_author(self.rows, self._stored(post_id))

    def _stored(self, post_id: PostId) -> Post:
        post: Post | None = self.rows.get("posts", post_id)
        if post is None:
            raise PostNotFound("no such post")
        return post

    async def save(self, post: Post) -> None:
        saved = replace(
            self._stored(post.id),
            text=post.text,
            content_warning=post.content_warning,
            language=post.language,
            mentioned=post.mentioned,
            edited_at=post.edited_at,
            deleted=post.deleted,
            pin=post.pin,
            version=post.version,
        )
        self.rows.put("posts", post.id, saved)

    async def count_comments(self, post_id: PostId, change: int) -> None:
        post: Post | None = self.rows.get("posts", post_id)
        if post is not None:
            self.rows.put("posts", post_id, replace(post, comments=post.comments + change))


def transactions(store: Store, new_id: NewId) -> OpenTx[PostsTx]:
    return store.transactions(
        lambda rows: PostsTx(
            MemoryPosts(rows),
            MemoryMarks(rows),
            MemoryOutbox(rows, new_id),
            MemoryIdempotency(rows),
            MemoryAuthors(rows),
            MemoryTraces(rows),
        )
    )
