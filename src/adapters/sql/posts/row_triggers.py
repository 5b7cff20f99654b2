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
MENTIONED: Final = "mentioned"
"""By the id of a user: the posts that mention them."""
REPLIES: Final = "replies"
"""By the id of the post: its replies, as far as somebody may see them."""
HASHTAG: Final = "hashtag"
"""By the tag in canonical form: the posts with it."""
PUBLISHED: Final = "published"
"""Without an id: a public post that is no reply was added."""
EXPOSED: Final = "exposed"
"""Without an id: a post or an author that was hidden from everybody is no longer."""

ROW_TRIGGERS: Sequence[RowTrigger] = (
    RowTrigger("posts", "UPDATE", POST, ("id",)),
    RowTrigger("posts", "DELETE", POST, ("id",)),
    RowTrigger("posts", "INSERT", SOURCE, ("author_id",)),
    RowTrigger("posts", "UPDATE OF deleted, reply_to, author_id, visibility", SOURCE, ("author_id",)),
    RowTrigger("posts", "INSERT", REPLIES, ("reply_to",), "new.reply_to IS NOT NULL"),
    RowTrigger(
        "posts",
        "UPDATE OF deleted, answers, withheld, visibility",
        REPLIES,
        ("reply_to",),
        "old.reply_to IS NOT NULL AND (old.deleted OR new.deleted OR old.visibility <> new.visibility)",
    ),
    RowTrigger("posts", "INSERT", PUBLISHED, (), "new.visibility = 'public' AND new.reply_to IS NULL"),
    RowTrigger(
        "posts",
        "UPDATE OF deleted, visibility",
        EXPOSED,
        (),
        "new.visibility = 'public' AND (old.visibility <> 'public' OR (old.deleted AND NOT new.deleted))",
    ),
    RowTrigger("mentions", "INSERT", MENTIONED, ("user_id",)),
    RowTrigger("mentions", "DELETE", MENTIONED, ("user_id",)),
    RowTrigger("hashtags", "INSERT", HASHTAG, ("tag",)),
    RowTrigger("hashtags", "DELETE", HASHTAG, ("tag",)),
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
    RowTrigger("restricted_authors", "UPDATE", EXPOSED),
    RowTrigger("restricted_authors", "DELETE", EXPOSED),
)
"""Rows of likes, bookmarks, reposts, mentions and hashtags are never updated: nothing but their key matters. No post
becomes a reply to another one."""
