"""What posts needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from application.shared.paging import Window
from application.shared.ports import Idempotency, Outbox
from domain.posts import Post, Standing, Visibility
from domain.shared import PostId, UserId


class Posts(Protocol):
    """The posts, within a transaction."""

    async def add(self, post: Post) -> None: ...

    async def get(self, post_id: PostId) -> Post:
        """The post, tombstones included, locked until the transaction ends; raise PostNotFound if
        there is none. Who locks both a comment and the post above it takes the comment first."""
        ...

    async def save(self, post: Post) -> None:
        """Replace what the author can change. Counters are left alone."""
        ...

    async def count_comments(self, post_id: PostId, change: int) -> None:
        """Add `change` to the comment count. No effect on a post that is gone."""
        ...

    async def like(self, post_id: PostId, user_id: UserId, like_id: int) -> bool:
        """Note the like and count it; False, and no effect, if it was there."""
        ...

    async def unlike(self, post_id: PostId, user_id: UserId) -> bool:
        """Take the like and its count back; False, and no effect, if there was none."""
        ...


class Authors(Protocol):
    """What posts keeps of accounts: only of those whose posts not everybody may see."""

    async def set_private(self, author: UserId, version: int, *, private: bool) -> None:
        """No effect if what is known is of this version or a later one, or if the author is gone."""
        ...

    async def set_gone(self, author: UserId) -> None:
        """Hide all that the author wrote, for good; harmless to repeat."""
        ...


@dataclass(frozen=True, slots=True)
class PostsTx:
    posts: Posts
    outbox: Outbox
    idempotency: Idempotency
    authors: Authors


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post as it is read: all but the names of people, which another module knows."""

    id: PostId
    author: UserId
    text: str
    visibility: Visibility
    content_warning: str
    language: str | None
    reply_to: PostId | None
    edited_at: datetime | None
    version: int
    comments: int
    likes: int
    mentioned: tuple[UserId, ...]
    liked: bool
    """By the viewer."""


class PostsReader(Protocol):
    """Reads outside of a transaction. What `standing` may not see is not there, filtered before any
    limit; pages hold up to `limit + 1` rows, the one too many telling that more follow."""

    async def post(self, post_id: PostId, standing: Standing) -> PostRow | None: ...

    async def by_author(self, author: UserId, window: Window, standing: Standing) -> Sequence[PostRow]:
        """The author's posts, comments aside, newest first."""
        ...

    async def comments(self, post_id: PostId, window: Window, standing: Standing) -> Sequence[PostRow]:
        """The direct answers to a post, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class AuthorCard:
    id: UserId
    username: str
    display_name: str


class People(Protocol):
    """What posts asks the module that knows people."""

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        """The cards of those that exist; may be some seconds old."""
        ...

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        """The ids of those of the usernames that exist."""
        ...
