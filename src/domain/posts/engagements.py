"""Engagements of users with posts, and the posts that authors pin to their profile."""

from dataclasses import replace
from enum import StrEnum

from domain.posts.post import OPEN_VISIBILITIES, AuthorState, NotTheAuthor, Post
from domain.shared import Conflict, UserId

MAX_BOOKMARKS = 10_000
"""Of one user."""
MAX_PINS = 5
"""Of one author."""


class Engagement(StrEnum):
    """The ways in which a user can engage with a post, each at most once. Nobody else sees a bookmark."""

    LIKE = "like"
    REPOST = "repost"
    BOOKMARK = "bookmark"


class CannotRepost(Conflict):
    """Only public and unlisted posts of accounts that are not private can be reposted."""

    code = "cannot_repost"


class TooManyBookmarks(Conflict):
    """A user keeps at most 10,000 bookmarks: remove some first."""

    code = "too_many_bookmarks"


class CannotPin(Conflict):
    """Only public and unlisted posts can be pinned, not comments."""

    code = "cannot_pin"


class TooManyPins(Conflict):
    """An author pins at most 5 posts: unpin one first."""

    code = "too_many_pins"


def check_engagement(post: Post, engagement: Engagement) -> None:
    """Check that a user who may see the post may engage with it like this. Others see a repost, so only a post that
    everybody may see can be reposted. Raises CannotRepost."""
    if engagement is Engagement.REPOST and (
        post.visibility not in OPEN_VISIBILITIES or post.author_state is not AuthorState.PUBLIC
    ):
        raise CannotRepost("only a post that everybody may see can be reposted")


def check_pin(post: Post, by: UserId) -> None:
    """Check that `by` may pin the post. Raises NotTheAuthor, CannotPin."""
    check_unpin(post, by)
    if post.reply_to is not None:
        raise CannotPin("a comment cannot be pinned")
    if post.visibility not in OPEN_VISIBILITIES:
        raise CannotPin(f"the post is {post.visibility}, it cannot be pinned")


def check_unpin(post: Post, by: UserId) -> None:
    """Raises NotTheAuthor."""
    if by != post.author:
        raise NotTheAuthor("only the author can pin a post")


def with_engagement_counted(post: Post, engagement: Engagement, change: int) -> Post:
    """The post with `change` added to the count of this engagement. Bookmarks are not counted."""
    match engagement:
        case Engagement.LIKE:
            return replace(post, likes=post.likes + change)
        case Engagement.REPOST:
            return replace(post, reposts=post.reposts + change)
        case Engagement.BOOKMARK:
            return post
