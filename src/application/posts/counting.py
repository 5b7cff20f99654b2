"""Counting a comment on the post that it answers."""

from dataclasses import replace

from application.posts.ports import PostsTx
from domain.posts import Post

MAX_CASCADE = 200
"""How many tombstones come or go with one comment. What is left of a longer chain shows nothing below it."""


async def count_above(tx: PostsTx, post: Post, *, comments: int, answers: int) -> None:
    """Add to the two counts of the post above this locked one, if it counts there. A tombstone above that comes or goes
    by it is counted likewise on the one above it, and so on."""
    below = post
    for _ in range(MAX_CASCADE):
        if below.reply_to is None:
            return
        above = await tx.posts.get(below.reply_to)
        if not below.counts_in(above):
            return
        await tx.posts.count_answers(above.id, comments=comments, answers=answers)
        after = replace(above, answers=above.answers + answers)
        if after.shown_as_tombstone == above.shown_as_tombstone:
            return
        below, comments = after, 0
