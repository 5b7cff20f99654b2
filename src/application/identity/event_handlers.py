"""The handlers of other modules' events in identity."""

from application.identity.ports import PostCountsTx
from application.shared.events import PostDeleted, Published
from application.shared.ports import OpenTx
from domain.dataclasses import dataclass
from domain.shared import OPEN_VISIBILITIES, EventId, UserId

COUNT_POSTS = "identity.count_posts"


def post_count_change(event: Published | PostDeleted) -> int:
    """By how much the event changes the post count on its author's profile. The count includes only posts that everyone
    who sees the profile may see; otherwise it would reveal restricted posts. The profile does not list comments."""
    if event.reply_to is not None or event.visibility not in OPEN_VISIBILITIES:
        return 0
    return 1 if isinstance(event, Published) else -1


def is_counted(event: Published | PostDeleted) -> bool:
    return post_count_change(event) != 0


@dataclass(frozen=True, slots=True)
class CountPosts:
    """Keeps the post count of a profile up to date."""

    open_tx: OpenTx[PostCountsTx]

    async def __call__(self, event: Published | PostDeleted, event_id: EventId) -> None:
        change = post_count_change(event)
        if not change:
            return
        async with self.open_tx() as tx:
            if await tx.inbox.first_time(COUNT_POSTS, event_id):
                await tx.accounts.count_posts(UserId(event.author_id), change)
