"""What posts needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from application.posts.rows import PostRow
from application.shared.attachments import MediaCard
from application.shared.paging import Window
from application.shared.people import Cards
from application.shared.ports import Idempotency, Outbox
from domain.posts import Entity, Mark, Post
from domain.shared import PostId, UserId, ViewerContext


class Posts(Protocol):
    """The posts, within a transaction."""

    async def add(self, post: Post) -> None: ...

    async def get(self, post_id: PostId) -> Post:
        """The post, tombstones included, locked until the transaction ends; raise PostNotFound if
        there is none. Who locks both a comment and the post above it takes the comment first."""
        ...

    async def save(self, post: Post) -> None:
        """Replace what the author can change. Counters are left alone. Of a deleted post nothing stays
        that was ever in it, earlier versions included."""
        ...

    async def keep(self, post: Post) -> None:
        """Add the post as it is to its earlier versions."""
        ...

    async def original(self, post: Post) -> Post:
        """The post with the words with which it was published, or with the oldest that are kept."""
        ...

    async def forget_version(self, post: Post, version: int) -> None:
        """Delete an earlier version of the post, which is locked, and all that was kept for its sake. Harmless to
        repeat."""
        ...

    async def attach(self, post: Post, cards: Sequence[MediaCard]) -> None:
        """Let the post, which was just added, have these media. Raises MediaTaken if another one has any of them."""
        ...

    async def cards(self, post_id: PostId) -> Sequence[MediaCard]:
        """What is shown of its media, in their order."""
        ...

    async def show(self, post: Post, cards: Sequence[MediaCard]) -> None:
        """Replace what is shown of the media of the post, which is locked, and who sees it."""
        ...

    async def count_answers(self, post_id: PostId, *, comments: int, answers: int) -> None:
        """Add to the two counts. No effect on a post that is not there."""
        ...


class Marks(Protocol):
    """Likes, reposts, bookmarks and pins, within a transaction that has the post locked."""

    async def leave(self, mark: Mark, post_id: PostId, user_id: UserId, mark_id: int) -> bool:
        """Note the mark and count it; False, and no effect, if it was there."""
        ...

    async def take_back(self, mark: Mark, post_id: PostId, user_id: UserId) -> int | None:
        """Take the mark and its count back, and give its id; None, and no effect, if there was none."""
        ...

    async def left_on(self, post_id: PostId, user_id: UserId) -> frozenset[Mark]:
        """What the user has left on the post."""
        ...

    async def bookmarks_of(self, user_id: UserId) -> int:
        """How many there are, those of this transaction included. Until it ends, no other one that asks the
        same gets an answer: so two that add at once cannot both stay below a limit."""
        ...

    async def forget_deleted(self, user_id: UserId) -> None:
        """Take back the user's bookmarks of deleted posts, which no list shows any more."""
        ...

    async def pin(self, post_id: PostId, pin: int | None) -> None:
        """Set or take away what makes the post a pinned one."""
        ...

    async def pins_of(self, author: UserId) -> int:
        """How many posts the author has pinned; alone as in `bookmarks_of`."""
        ...

    async def forget(self, user_id: UserId, limit: int) -> int:
        """Take back up to `limit` of the marks that the user left anywhere, and correct the counters; how many
        it were. Needs no lock of the caller; 0 when nothing is left."""
        ...


class Authors(Protocol):
    """What posts keeps of accounts: only of those whose posts not everybody may see."""

    async def set_private(self, author: UserId, version: int, *, private: bool) -> None:
        """No effect if what is known is of this version or a later one, or if the author is gone."""
        ...

    async def is_private(self, author: UserId) -> bool:
        """As of now; also of who is gone."""
        ...

    async def comments(
        self, author: UserId, below: PostId, limit: int, *, withheld: bool
    ) -> Sequence[PostId]:
        """Up to `limit` of the author's open comments with an id below `below` that are withheld or that are not,
        newest first: no deleted ones, and none that waits for its media."""
        ...

    async def set_gone(self, author: UserId) -> None:
        """Hide all that the author wrote, for good; harmless to repeat."""
        ...

    async def gone_lately(self) -> Sequence[UserId]:
        """Who went within half a day."""
        ...


class ClosedAuthors(Protocol):
    """Reads outside of a transaction."""

    async def closed(self, users: Collection[UserId]) -> frozenset[UserId]:
        """Those of the users whose accounts are private or gone."""
        ...


class Traces(Protocol):
    """Finds what is left of an account, up to `limit` of it, newest first, as all who lock several posts."""

    async def posts_by(self, author: UserId, limit: int) -> Sequence[PostId]:
        """Posts and comments that are not deleted."""
        ...

    async def naming(self, user: UserId, limit: int) -> Sequence[PostId]:
        """Posts of which a version names or mentions the user."""
        ...

    async def unname(self, post_id: PostId, user: UserId) -> None:
        """Let no earlier version of the post, which is locked, mention the user."""
        ...

    async def disown(self, author: UserId, limit: int) -> int:
        """Let deleted posts be nobody's (author 0); how many it were."""
        ...

    async def forget_words(self) -> bool:
        """Rid the index of some of the words that nothing has any more: an index may keep them, marked as
        gone, for a while. False when none are left."""
        ...


@dataclass(frozen=True, slots=True)
class PostsTx:
    posts: Posts
    marks: Marks
    outbox: Outbox
    idempotency: Idempotency
    authors: Authors
    traces: Traces


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The place of a post in a thread, and nothing of it. That of a deleted one looks like that of one
    that the viewer may not see."""

    id: PostId
    reply_to: PostId | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """What a post said from `created_at` on."""

    version: int
    text: str
    content_warning: str
    language: str | None
    created_at: datetime
    entities: tuple[Entity, ...]


class PostsReader(Protocol):
    """Reads outside of a transaction. What `viewer_context` may not see is not there, filtered before any
    limit; pages hold up to `limit + 1` rows, the one too many telling that more follow."""

    async def post(self, post_id: PostId, viewer_context: ViewerContext) -> PostRow | None: ...

    async def by_author(
        self, author: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostRow]:
        """The author's posts, comments aside, newest first."""
        ...

    async def by_ids(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> Mapping[PostId, PostRow]:
        """Those of `ids` that `viewer_context` may see, in no order."""
        ...

    async def comments(
        self, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostRow | Tombstone]:
        """The direct answers to a post, oldest first, without those of the muted, with the tombstones that are
        shown."""
        ...

    async def tombstone(self, post_id: PostId) -> Tombstone | None:
        """The tombstone, if that is what is shown of the post."""
        ...

    async def answers(
        self, ids: Collection[PostId], each: int, limit: int, viewer_context: ViewerContext
    ) -> Sequence[PostRow | Tombstone]:
        """The first direct answers to each of the posts, up to `each`, as in `comments`; of all of them
        the first `limit` by id."""
        ...

    async def answered(self, ids: Collection[PostId], viewer_context: ViewerContext) -> Collection[PostId]:
        """Those of the posts to which there are answers, as in `comments`."""
        ...

    async def ancestors(self, post_id: PostId, limit: int) -> Sequence[Tombstone]:
        """The places above a post, nearest first, whoever sees what stood there."""
        ...

    async def versions(
        self, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[VersionRow]:
        """What a post said from its first version to the present one; windows are of version numbers."""
        ...


@dataclass(frozen=True, slots=True)
class MarkedBy:
    """A mark on a post, and who left it."""

    mark: int
    """The id of the mark: the list is in its order."""
    user: UserId


@dataclass(frozen=True, slots=True)
class Marked:
    """A post in a list that is in the order of its marks or pins."""

    mark: int
    row: PostRow


class MarksReader(Protocol):
    """Lists of marks, the newest first; otherwise as PostsReader. A window's edges are ids of marks."""

    async def people(
        self, mark: Mark, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[MarkedBy]:
        """Who left such a mark on the post, without the blocked and the muted. Whether the viewer may know of the post is for the caller to
        ask. There is no such list of bookmarks."""
        ...

    async def posts(
        self, mark: Mark, user_id: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[Marked]:
        """The posts that the user has marked so."""
        ...

    async def pinned(
        self, author: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[Marked]: ...

    async def involved(self, post_id: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` of those who liked, reposted or answered the post and whose ids are greater than `after`,
        by id. Who they are is nobody's to know: it is for telling each of them."""
        ...


@dataclass(frozen=True, slots=True)
class Recounted:
    """What counting anew has found in one batch of posts."""

    last: PostId | None
    """The oldest of them, where the next batch goes on; None if there was none left."""
    drift: Mapping[str, int]
    """For each counter by how much it was wrong, added up."""


class Counters(Protocol):
    async def recount(self, below: PostId, limit: int, *, repair: bool) -> Recounted:
        """Count anew what is counted on up to `limit` posts with an id below `below`, newest first, and with
        `repair` set the counters right. A transaction of its own, which holds the locks of these posts."""
        ...


class People(Cards, Protocol):
    """What posts asks the module that knows people."""

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        """The ids of those of the usernames that exist."""
        ...
