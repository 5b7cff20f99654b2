"""The accounts whose posts not everybody may see."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from adapters.memory.store import Draft, Rows, Store
from domain.posts import OPEN_VISIBILITIES, AuthorState, Post
from domain.shared import PostId, UserId


@dataclass(frozen=True, slots=True)
class _Author:
    state: AuthorState
    version: int


def with_author_state(rows: Rows, post: Post) -> Post:
    """The post with the current state of its author."""
    author: _Author | None = rows.get("restricted_authors", post.author)
    state = author.state if author else AuthorState.PUBLIC
    return post if post.author_state is state else replace(post, author_state=state)


@dataclass(frozen=True, slots=True)
class MemoryAuthors:
    rows: Draft

    async def set_private(self, author: UserId, version: int, *, private: bool) -> None:
        known: _Author | None = self.rows.get("restricted_authors", author)
        if known is None or (known.version < version and known.state is not AuthorState.DELETED):
            state = AuthorState.PRIVATE if private else AuthorState.PUBLIC
            self.rows.put("restricted_authors", author, _Author(state, version))

    async def is_private(self, author: UserId) -> bool:
        known: _Author | None = self.rows.get("restricted_authors", author)
        return known is not None and known.state is not AuthorState.PUBLIC

    async def comments(
        self, author: UserId, below: PostId, limit: int, *, withheld: bool
    ) -> Sequence[PostId]:
        found = (
            post.id
            for post in self.rows.all("posts")
            if post.author == author
            and post.reply_to is not None
            and post.id < below
            and post.visibility in OPEN_VISIBILITIES
            and not post.deleted
            and post.pending is None
            and post.withheld is withheld
        )
        return sorted(found, reverse=True)[:limit]

    async def set_deleted(self, author: UserId) -> None:
        self.rows.put("restricted_authors", author, _Author(AuthorState.DELETED, 0))

    async def recently_deleted(self) -> Sequence[UserId]:
        known = self.rows.items("restricted_authors")
        return [author for author, row in known if row.state is AuthorState.DELETED]


@dataclass(frozen=True, slots=True)
class MemoryRestrictedAuthors:
    """Finds the accounts that are private or deleted, for this and other modules."""

    store: Store

    async def restricted(self, users: Collection[UserId]) -> frozenset[UserId]:
        known = {user: self.store.get("restricted_authors", user) for user in users}
        return frozenset(user for user, row in known.items() if row and row.state is not AuthorState.PUBLIC)
