"""The elements of feeds."""

from typing import NamedTuple

from domain.shared import PostId, UserId


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
