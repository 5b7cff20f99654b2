"""What feeds are made of."""

from typing import NamedTuple

from domain.shared import PostId, UserId


class FeedEntry(NamedTuple):
    """A place in a feed: a post where its author published it, or where somebody reposted it."""

    id: int
    """Of the post, or of the repost: orders the feed."""
    post: PostId
    by: UserId
    """The author of the post, or who reposted it."""

    @property
    def is_repost(self) -> bool:
        return self.id != self.post
