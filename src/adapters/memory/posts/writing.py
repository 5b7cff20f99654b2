"""Writing posts, within a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adapters.memory.outbox import MemoryIdempotency, MemoryOutbox
from adapters.memory.posts.authors import MemoryAuthors, with_author
from adapters.memory.posts.marks import MemoryMarks
from adapters.memory.posts.parts import CARDS, TAKEN, Shown, shown
from adapters.memory.posts.traces import MemoryTraces
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
            entities=post.entities,
            edited_at=post.edited_at,
            deleted=post.deleted,
            pin=post.pin,
            media=post.media,
            becoming=post.becoming,
            withheld=post.withheld,
            version=post.version,
        )
        self.rows.put("posts", post.id, saved)
        if post.deleted:
            self.rows.delete("post_edits", post.id)
            self.rows.delete(CARDS, post.id)
            for media, owner in self.rows.items(TAKEN):
                if owner == post.id:
                    self.rows.delete(TAKEN, media)

    async def attach(self, post: Post, cards: Sequence[MediaCard]) -> None:
        for card in cards:
            if self.rows.get(TAKEN, card.id) is not None:
                raise MediaTaken("this media belongs to another post")
            self.rows.put(TAKEN, card.id, post.id)
        self.rows.put(CARDS, post.id, Shown(tuple(cards)))

    async def cards(self, post_id: PostId) -> Sequence[MediaCard]:
        return [*shown(self.rows, post_id).cards]

    async def show(self, post: Post, cards: Sequence[MediaCard]) -> None:
        rev = shown(self.rows, post.id).rev + 1
        self.rows.put(CARDS, post.id, Shown(tuple(cards), rev))
        stored = self._stored(post.id)
        seen = replace(stored, visibility=post.visibility, mentioned=post.mentioned, becoming=post.becoming)
        self.rows.put("posts", post.id, seen)

    async def keep(self, post: Post) -> None:
        earlier: tuple[Post, ...] = self.rows.get("post_edits", post.id) or ()
        self.rows.put("post_edits", post.id, (*earlier, post))

    async def forget_version(self, post: Post, version: int) -> None:
        earlier: tuple[Post, ...] = self.rows.get("post_edits", post.id) or ()
        self.rows.put("post_edits", post.id, tuple(one for one in earlier if one.version != version))

    async def original(self, post: Post) -> Post:
        earlier: tuple[Post, ...] = self.rows.get("post_edits", post.id) or (post,)
        first = earlier[0]
        first = replace(first, comments=post.comments, answers=post.answers)
        return replace(first, likes=post.likes, reposts=post.reposts, pin=post.pin)

    async def count_answers(self, post_id: PostId, *, comments: int, answers: int) -> None:
        post: Post | None = self.rows.get("posts", post_id)
        if post is not None:
            counted = replace(post, comments=post.comments + comments, answers=post.answers + answers)
            self.rows.put("posts", post_id, counted)


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
