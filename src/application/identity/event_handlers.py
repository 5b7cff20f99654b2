"""What identity does when other modules tell it something."""

from dataclasses import dataclass

from application.identity.ports import IdentityTx
from application.shared.events import PostDeleted, Published
from application.shared.ports import OpenTx
from domain.shared import EventId, UserId

OPEN = frozenset({"public", "unlisted"})
COUNT_POSTS = "identity.count_posts"


def post_count_change(event: Published | PostDeleted) -> int:
    """What the event changes in the post count of its author's profile: it is of what everybody may see there.
    Comments are not listed, and a count that told of narrower posts would give them away."""
    if event.reply_to is not None or event.visibility not in OPEN:
        return 0
    return 1 if isinstance(event, Published) else -1


@dataclass(frozen=True, slots=True)
class CountPosts:
    """Keeps the post count of a profile."""

    open_tx: OpenTx[IdentityTx]

    async def __call__(self, event: Published | PostDeleted, event_id: EventId) -> None:
        change = post_count_change(event)
        if not change:
            return
        async with self.open_tx() as tx:
            if await tx.inbox.first_time(COUNT_POSTS, event_id):
                await tx.accounts.count_posts(UserId(event.author_id), change)
