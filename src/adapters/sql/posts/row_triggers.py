"""The changes of rows on which results that were read from posts depend, and the kinds of their keys."""

from collections.abc import Sequence
from typing import Final

from adapters.sql.row_changes import RowTrigger

POST: Final = "post"
"""By the id of the post: its state and its content."""
ENGAGEMENT: Final = "engagement"
"""By the ids of a post and a user: whether the user likes, reposted or bookmarked it."""
REPOSTS: Final = "reposts"
"""By the id of the post: who reposted it."""
SOURCE: Final = "source"
"""By the id of a user: the entries that they give to feeds, their posts and reposts."""
AUTHOR: Final = "author"
"""By the id of a user: whether their account is private or deleted."""

ROW_TRIGGERS: Sequence[RowTrigger] = (
    RowTrigger("posts", "UPDATE", POST, ("id",)),
    RowTrigger("posts", "DELETE", POST, ("id",)),
    RowTrigger("posts", "INSERT", SOURCE, ("author_id",)),
    RowTrigger("posts", "UPDATE OF deleted, reply_to, author_id", SOURCE, ("author_id",)),
    RowTrigger("likes", "INSERT", ENGAGEMENT, ("post_id", "user_id")),
    RowTrigger("likes", "DELETE", ENGAGEMENT, ("post_id", "user_id")),
    RowTrigger("bookmarks", "INSERT", ENGAGEMENT, ("post_id", "user_id")),
    RowTrigger("bookmarks", "DELETE", ENGAGEMENT, ("post_id", "user_id")),
    RowTrigger("reposts", "INSERT", ENGAGEMENT, ("post_id", "user_id")),
    RowTrigger("reposts", "DELETE", ENGAGEMENT, ("post_id", "user_id")),
    RowTrigger("reposts", "INSERT", REPOSTS, ("post_id",)),
    RowTrigger("reposts", "DELETE", REPOSTS, ("post_id",)),
    RowTrigger("reposts", "INSERT", SOURCE, ("user_id",)),
    RowTrigger("reposts", "DELETE", SOURCE, ("user_id",)),
    RowTrigger("restricted_authors", "INSERT", AUTHOR, ("user_id",)),
    RowTrigger("restricted_authors", "UPDATE", AUTHOR, ("user_id",)),
    RowTrigger("restricted_authors", "DELETE", AUTHOR, ("user_id",)),
)
"""Rows of likes, bookmarks and reposts are never updated: they have nothing but their key."""
