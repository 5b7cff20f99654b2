"""Counting comments on the posts above them."""

from dataclasses import replace

from application.posts.ports import PostsTx
from domain.posts import Post

MAX_CASCADE = 200
"""The most tombstones that appear or disappear with one comment. The rest of a longer chain stays without replies."""


async def count_above(tx: PostsTx, post: Post, *, comments: int, replies: int) -> None:
    """Add to the two counts of the post above `post`, which is locked, if it counts there. If that makes a tombstone
    appear or disappear, it is counted on the post above it in the same way, and so on."""
    below = post
    for _ in range(MAX_CASCADE):
        if below.reply_to is None:
            return
        above = await tx.posts.get(below.reply_to)
        if not below.counts_in(above):
            return
        await tx.posts.count_replies(above.id, comments=comments, replies=replies)
        after = replace(above, replies=above.replies + replies)
        if after.shown_as_tombstone == above.shown_as_tombstone:
            return
        below, comments = after, 0
