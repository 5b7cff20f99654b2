"""Writing posts, within a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.memory.outbox import MemoryIdempotency, MemoryOutbox
from adapters.memory.posts.authors import MemoryAuthors, with_author_state
from adapters.memory.posts.engagements import MemoryEngagements
from adapters.memory.posts.erasure import MemoryErasureStore
from adapters.memory.posts.parts import CARDS, OWNERS, AttachedCards, attached
from adapters.memory.store import Draft, Store
from application.posts.ports import PostsTx
from application.shared.attachments import MediaCard
from application.shared.ports import NewId, OpenTx
from domain.posts import MediaTaken, Post, PostNotFound
from domain.shared import PostId


@dataclass(frozen=True, slots=True)
class MemoryPosts:
    rows: Draft

    async def add(self, post: Post) -> None:
        self.rows.put("posts", post.id, post)

    async def get(self, post_id: PostId) -> Post:
        return with_author_state(self.rows, self._stored(post_id))

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
            entities=post.entities,
            edited_at=post.edited_at,
            deleted=post.deleted,
            pin=post.pin,
            media=post.media,
            pending=post.pending,
            withheld=post.withheld,
            version=post.version,
        )
        self.rows.put("posts", post.id, saved)
        if post.deleted:
            self.rows.delete("post_edits", post.id)
            self.rows.delete(CARDS, post.id)
            for media, owner in self.rows.items(OWNERS):
                if owner == post.id:
                    self.rows.delete(OWNERS, media)

    async def attach(self, post: Post, cards: Sequence[MediaCard]) -> None:
        for card in cards:
            if self.rows.get(OWNERS, card.id) is not None:
                raise MediaTaken("this media belongs to another post")
            self.rows.put(OWNERS, card.id, post.id)
        self.rows.put(CARDS, post.id, AttachedCards(tuple(cards)))

    async def cards(self, post_id: PostId) -> Sequence[MediaCard]:
        return [*attached(self.rows, post_id).cards]

    async def update_media(self, post: Post, cards: Sequence[MediaCard]) -> None:
        revision = attached(self.rows, post.id).revision + 1
        self.rows.put(CARDS, post.id, AttachedCards(tuple(cards), revision))
        stored = self._stored(post.id)
        updated = replace(stored, visibility=post.visibility, mentioned=post.mentioned, pending=post.pending)
        self.rows.put("posts", post.id, updated)

    async def archive_version(self, post: Post) -> None:
        earlier: tuple[Post, ...] = self.rows.get("post_edits", post.id) or ()
        self.rows.put("post_edits", post.id, (*earlier, post))

    async def remove_version(self, post: Post, version: int) -> None:
        earlier: tuple[Post, ...] = self.rows.get("post_edits", post.id) or ()
        self.rows.put("post_edits", post.id, tuple(one for one in earlier if one.version != version))

    async def original(self, post: Post) -> Post:
        earlier: tuple[Post, ...] = self.rows.get("post_edits", post.id) or (post,)
        first = earlier[0]
        first = replace(first, comments=post.comments, replies=post.replies)
        return replace(first, likes=post.likes, reposts=post.reposts, pin=post.pin)

    async def count_replies(self, post_id: PostId, *, comments: int, replies: int) -> None:
        post: Post | None = self.rows.get("posts", post_id)
        if post is not None:
            counted = replace(post, comments=post.comments + comments, replies=post.replies + replies)
            self.rows.put("posts", post_id, counted)


def transactions(store: Store, new_id: NewId) -> OpenTx[PostsTx]:
    return store.transactions(
        lambda rows: PostsTx(
            MemoryPosts(rows),
            MemoryEngagements(rows),
            MemoryOutbox(rows, new_id),
            MemoryIdempotency(rows),
            MemoryAuthors(rows),
            MemoryErasureStore(rows),
        )
    )
