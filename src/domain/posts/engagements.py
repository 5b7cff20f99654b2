"""Marks that people leave on posts, and posts that authors pin to their profile."""

from dataclasses import replace
from enum import StrEnum

from domain.posts.post import OPEN_VISIBILITIES, AuthorState, NotTheAuthor, Post
from domain.shared import Conflict, UserId

MAX_BOOKMARKS = 10_000
"""A user's."""
MAX_PINS = 5
"""An author's."""


class Engagement(StrEnum):
    """What a person can leave on a post, once each. A bookmark is seen by nobody else."""

    LIKE = "like"
    REPOST = "repost"
    BOOKMARK = "bookmark"


class CannotRepost(Conflict):
    """Only public and unlisted posts of accounts that are not private can be reposted."""

    code = "cannot_repost"


class TooManyBookmarks(Conflict):
    """A user keeps at most 10,000 bookmarks: take some back first."""

    code = "too_many_bookmarks"


class CannotPin(Conflict):
    """Only public and unlisted posts can be pinned, and no comments."""

    code = "cannot_pin"


class TooManyPins(Conflict):
    """An author pins at most 5 posts: unpin one first."""

    code = "too_many_pins"


def check_engagement(post: Post, engagement: Engagement) -> None:
    """Whether somebody who sees the post may mark it so. A repost brings a post before others, so only a
    post that everybody may see can be reposted. Raises CannotRepost."""
    if engagement is Engagement.REPOST and (
        post.visibility not in OPEN_VISIBILITIES or post.author_state is not AuthorState.OPEN
    ):
        raise CannotRepost("not everybody may see this post, so it cannot be brought before others")


def check_pin(post: Post, by: UserId) -> None:
    """Whether `by` may pin the post. Raises NotTheAuthor, CannotPin."""
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
    """The post with `change` marks more of this kind. Bookmarks are not counted."""
    match engagement:
        case Engagement.LIKE:
            return replace(post, likes=post.likes + change)
        case Engagement.REPOST:
            return replace(post, reposts=post.reposts + change)
        case Engagement.BOOKMARK:
            return post
