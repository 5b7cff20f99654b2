"""The ports of posts."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from application.posts.views import PostView
from application.shared.attachments import MediaCard
from application.shared.events import PostDeleted, Published
from application.shared.paging import Window
from application.shared.people import Cards
from application.shared.ports import Idempotency, Outbox
from domain.dataclasses import dataclass
from domain.posts import Engagement, Entity, Post
from domain.shared import EventId, PostId, UserId, ViewerContext


class Posts(Protocol):
    """The posts, within a transaction."""

    async def add(self, post: Post) -> None: ...

    async def get(self, post_id: PostId) -> Post:
        """The post, deleted ones too, locked until the transaction ends. To lock a comment and the post above it, lock
        the comment first. Raises PostNotFound."""
        ...

    async def save(self, post: Post) -> None:
        """Replace everything that the author can change, and leave the counters alone. Of a deleted post, remove all
        that it ever contained, its earlier versions included."""
        ...

    async def archive_version(self, post: Post) -> None:
        """Add the post as it is to its earlier versions."""
        ...

    async def original(self, post: Post) -> Post:
        """The post with its first content, or with the oldest that is still stored."""
        ...

    async def remove_version(self, post: Post, version: int) -> None:
        """Delete an earlier version of the locked post, and what was stored only because of it. Safe to repeat."""
        ...

    async def attach(self, post: Post, cards: Sequence[MediaCard]) -> None:
        """Attach media to the post, which was just added. Raises MediaTaken if another post has any of them."""
        ...

    async def cards(self, post_id: PostId) -> Sequence[MediaCard]:
        """The cards of the post's media, in the author's order."""
        ...

    async def update_media(self, post: Post, cards: Sequence[MediaCard]) -> None:
        """Replace the media cards of the locked post, and its audience: visibility, mentions, pending publication."""
        ...

    async def count_replies(self, post_id: PostId, *, comments: int, replies: int) -> None:
        """Add to the two counts. No effect if there is no such post."""
        ...


class Engagements(Protocol):
    """Likes, reposts, bookmarks and pins, within a transaction that has the post locked."""

    async def add(self, engagement: Engagement, post_id: PostId, user_id: UserId, engagement_id: int) -> bool:
        """Store and count the engagement. False, without effect, if the user has it already."""
        ...

    async def remove(self, engagement: Engagement, post_id: PostId, user_id: UserId) -> int | None:
        """Remove the engagement and its count, and return its id. None, without effect, if there was none."""
        ...

    async def of_user(self, post_id: PostId, user_id: UserId) -> frozenset[Engagement]:
        """The engagements of the user with the post."""
        ...

    async def count_bookmarks(self, user_id: UserId) -> int:
        """The number of the user's bookmarks, with those of this transaction. Until it ends, other transactions that
        ask the same wait: so two that add a bookmark at once cannot both stay below a limit."""
        ...

    async def remove_bookmarks_of_deleted_posts(self, user_id: UserId) -> None:
        """Remove the bookmarks that no list shows any more."""
        ...

    async def set_pin(self, post_id: PostId, pin: int | None) -> None:
        """Pin the post, or unpin it with None. See `Post.pin`."""
        ...

    async def count_pins(self, author: UserId) -> int:
        """The number of posts that the author has pinned. Others wait, as for `count_bookmarks`."""
        ...

    async def erase_user(self, user_id: UserId, limit: int) -> int:
        """Remove up to `limit` engagements of the user on any posts, with their counts, and return how many were
        removed: 0 when none are left. The caller needs no lock."""
        ...


class Authors(Protocol):
    """The restricted authors, within a transaction: private and deleted accounts, whose posts not everybody may see."""

    async def set_private(self, author: UserId, version: int, *, private: bool) -> None:
        """No effect if this or a later version of the account is known, or if the account is deleted."""
        ...

    async def is_private(self, author: UserId) -> bool:
        """As of now. True of a deleted account too."""
        ...

    async def comments(
        self, author: UserId, below: PostId, limit: int, *, withheld: bool
    ) -> Sequence[PostId]:
        """Up to `limit` of the author's public and unlisted comments with an id less than `below` that are, or are
        not, withheld; newest first, without deleted and pending ones."""
        ...

    async def set_deleted(self, author: UserId) -> None:
        """Hide everything that the author wrote, for good. Safe to repeat."""
        ...

    async def recently_deleted(self) -> Sequence[UserId]:
        """The accounts that were deleted in the last 12 hours."""
        ...


class RestrictedAuthors(Protocol):
    """The authors whose posts not everybody may see. Read outside of a transaction."""

    async def restricted(self, users: Collection[UserId]) -> frozenset[UserId]:
        """Those of the users whose accounts are private or deleted."""
        ...


class ErasureStore(Protocol):
    """Finds what is left of a deleted account, within a transaction. Lists are newest first, which is the order in
    which everybody locks several posts."""

    async def find_posts_by(self, author: UserId, limit: int) -> Sequence[PostId]:
        """Posts and comments that are not deleted."""
        ...

    async def find_posts_naming(self, user: UserId, limit: int) -> Sequence[PostId]:
        """Posts of which any version names or mentions the user."""
        ...

    async def remove_mentions(self, post_id: PostId, user: UserId) -> None:
        """Remove the mentions of the user from the earlier versions of the locked post."""
        ...

    async def anonymize_deleted_posts(self, author: UserId, limit: int) -> int:
        """Replace the author of deleted posts by 0, and return how many were changed."""
        ...

    async def compact_index(self) -> bool:
        """Remove some of the words of deleted posts from the search index, which may keep them for a while, marked as
        deleted. False when none are left."""
        ...


@dataclass(frozen=True, slots=True)
class PostsTx:
    posts: Posts
    engagements: Engagements
    outbox: Outbox
    idempotency: Idempotency
    authors: Authors
    erasure: ErasureStore


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The place of a post in a thread, without any of its content. A deleted post and one that the viewer may not see
    have the same tombstone."""

    id: PostId
    reply_to: PostId | None


@dataclass(frozen=True, slots=True)
class PostVersion:
    """The text of one version of a post."""

    version: int
    text: str
    content_warning: str
    language: str | None
    created_at: datetime
    """The time of the edit that made this version; of the first one, the time of publication."""
    entities: tuple[Entity, ...]


class PostsReader(Protocol):
    """Reads outside of transactions. Posts that `viewer_context` may not see are left out before any limit applies.
    Pages hold up to `limit + 1` posts: one more than asked for shows that there is a next page."""

    async def post(self, post_id: PostId, viewer_context: ViewerContext) -> PostView | None: ...

    async def by_author(
        self, author: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostView]:
        """The author's posts without comments, newest first."""
        ...

    async def by_ids(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> Mapping[PostId, PostView]:
        """Those of `ids` that `viewer_context` may see."""
        ...

    async def comments(
        self, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostView | Tombstone]:
        """The direct replies to a post, oldest first, with the tombstones that are shown, without muted authors."""
        ...

    async def tombstone(self, post_id: PostId) -> Tombstone | None:
        """The tombstone of the post; None unless the post is shown as one."""
        ...

    async def replies(
        self, ids: Collection[PostId], each: int, limit: int, viewer_context: ViewerContext
    ) -> Sequence[PostView | Tombstone]:
        """The first direct replies to each of the posts, up to `each`, as in `comments`; of all of them
        the first `limit` by id."""
        ...

    async def with_replies(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> Collection[PostId]:
        """Those of the posts that have replies, as in `comments`."""
        ...

    async def ancestors(self, post_id: PostId, limit: int) -> Sequence[Tombstone]:
        """The places above a post, nearest first, whoever may see the posts there."""
        ...

    async def versions(
        self, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostVersion]:
        """The stored versions of a post, oldest first, the current one included. The window's edges are version
        numbers."""
        ...


@dataclass(frozen=True, slots=True)
class EngagedUser:
    """A user in the list of those who liked or reposted a post."""

    position: int
    """The id of the engagement, which orders the list."""
    user: UserId


@dataclass(frozen=True, slots=True)
class EngagedPost:
    """A post in a list of liked, bookmarked or pinned posts."""

    position: int
    """The id of the engagement or of the pin, which orders the list."""
    post: PostView


class EngagementsReader(Protocol):
    """Lists of engagements, newest first. The window's edges are positions; for the rest see PostsReader."""

    async def users(
        self, engagement: Engagement, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedUser]:
        """The users with this engagement on the post, without blocked and muted ones. The caller checks that the viewer
        may see the post. There is no such list of bookmarks."""
        ...

    async def posts(
        self, engagement: Engagement, user_id: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedPost]:
        """The posts on which the user has this engagement."""
        ...

    async def pinned(
        self, author: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedPost]: ...

    async def involved(self, post_id: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` of the users who liked, reposted or replied to the post and whose ids are greater than `after`,
        by id. For notifying each of them: never show this list to anybody."""
        ...


@dataclass(frozen=True, slots=True)
class RecountedPosts:
    """The result of recounting one batch of posts."""

    last: PostId | None
    """The oldest post of the batch, where the next batch begins; None if the batch was empty."""
    drift: Mapping[str, int]
    """By counter: the sum of the differences between stored and real counts."""


class Counters(Protocol):
    async def recount(self, below: PostId, limit: int, *, repair: bool) -> RecountedPosts:
        """Recount up to `limit` posts with an id less than `below`, newest first, and with `repair` correct their
        counters. One transaction, which locks these posts."""
        ...


class AuthoredPosts(Protocol):
    """The posts that a profile counts."""

    async def authored(
        self, authors: Collection[UserId], subscriber: str
    ) -> tuple[Mapping[UserId, int], Sequence[tuple[EventId, Published | PostDeleted]]]:
        """The number of posts of each author that everybody may see, comments excluded, and the events about posts that are
        not delivered to `subscriber` yet, dead letters included: both as of one moment."""
        ...


class AuthorDirectory(Cards, Protocol):
    """The questions of posts to the module that knows people."""

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        """The ids of those usernames that exist."""
        ...
