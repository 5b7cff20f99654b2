"""Finding and erasing what is left of a deleted account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from adapters.memory.store import Draft
from domain.posts import Post
from domain.shared import PostId, UserId

NOBODY = UserId(0)


@dataclass(frozen=True, slots=True)
class MemoryErasureStore:
    rows: Draft

    async def find_posts_by(self, author: UserId, limit: int) -> Sequence[PostId]:
        posts = self.rows.all("posts")
        return _newest((post.id for post in posts if post.author == author and not post.deleted), limit)

    async def find_posts_naming(self, user: UserId, limit: int) -> Sequence[PostId]:
        return _newest((post.id for post in self.rows.all("posts") if self._names(post, user)), limit)

    def _names(self, post: Post, user: UserId) -> bool:
        versions: tuple[Post, ...] = (post, *(self.rows.get("post_edits", post.id) or ()))
        return any(user in version.mentioned | version.named for version in versions)

    async def remove_mentions(self, post_id: PostId, user: UserId) -> None:
        if earlier := self.rows.get("post_edits", post_id):
            without = tuple(version.without_mention(of=user) for version in earlier)
            self.rows.put("post_edits", post_id, without)

    async def anonymize_deleted_posts(self, author: UserId, limit: int) -> int:
        mine = [post for post in self.rows.all("posts") if post.author == author and post.deleted][:limit]
        for post in mine:
            self.rows.put("posts", post.id, replace(post, author=NOBODY))
        return len(mine)

    async def compact_index(self) -> bool:
        return False  # memory has no index


def _newest(ids: Iterable[PostId], limit: int) -> list[PostId]:
    return sorted(ids, reverse=True)[:limit]
