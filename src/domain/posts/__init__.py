"""Posts and comments: what they may say, who may see them, who may remove them."""

from domain.posts.post import (
    CONTENT_WARNING,
    MAX_MENTIONS,
    OPEN,
    TEXT,
    AuthorState,
    NotTheAuthor,
    Post,
    PostNotFound,
    Standing,
    Visibility,
    WiderThanThread,
    can_view,
    language,
    mentions,
)

__all__ = [
    "CONTENT_WARNING",
    "MAX_MENTIONS",
    "OPEN",
    "TEXT",
    "AuthorState",
    "NotTheAuthor",
    "Post",
    "PostNotFound",
    "Standing",
    "Visibility",
    "WiderThanThread",
    "can_view",
    "language",
    "mentions",
]
