"""Feed entries: the elements of feeds, and the port that lists them."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from application.shared.paging import Window
from domain.shared import PostId, UserId, ViewerContext


class FeedEntry(NamedTuple):
    """One entry of a feed: a post where its author published it, or where an account reposted it."""

    id: int
    """The id of the post or of the repost. Orders the feed."""
    post: PostId
    by: UserId
    """The author of the post, or the account that reposted it."""

    @property
    def is_repost(self) -> bool:
        return self.id != self.post


class FeedEntries(Protocol):
    """The posts and reposts that may appear in a feed, as feeds asks for them and posts stores them. A list is newest
    first, starts at the window's edge, holds up to its limit, and is shorter only where the feed ends."""

    async def by_sources(
        self, sources: Collection[UserId], window: Window, last: int | None = None
    ) -> Sequence[FeedEntry]:
        """Posts by the sources, without comments and deleted posts, and all reposts by the sources; nothing farther
        from the window's edge than `last`. Ignores visibility."""
        ...

    async def public(self, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        """Public posts, without comments, whose authors everybody may see and who are neither muted by the viewer nor
        separated from them by a block."""
        ...

    async def tagged(self, tag: str, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        """As `public`, with the canonical hashtag `tag`, and including comments."""
        ...

    async def first_reposts(
        self, posts: Collection[PostId], sources: Collection[UserId]
    ) -> Mapping[PostId, int]:
        """The oldest repost of each of the posts by one of the sources, if there is one."""
        ...

    async def shows_reposts(self, user: UserId, viewer_context: ViewerContext) -> bool:
        """Whether the viewer may see what the user reposts, which is so if they may see a public post of the user."""
        ...
