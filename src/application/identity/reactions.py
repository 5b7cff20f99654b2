"""What identity does when other modules tell it something."""

from dataclasses import dataclass

from application.identity.ports import IdentityTx
from application.shared.events import PostDeleted, Published
from application.shared.ports import OpenTx
from domain.shared import EventId, UserId


@dataclass(frozen=True, slots=True)
class CountPosts:
    """Keeps the post count of a profile. Comments do not count: a profile does not list them."""

    open_tx: OpenTx[IdentityTx]

    async def __call__(self, event: Published | PostDeleted, event_id: EventId) -> None:
        if event.reply_to is not None:
            return
        async with self.open_tx() as tx:
            if await tx.inbox.first_time("identity.count_posts", event_id):
                change = 1 if isinstance(event, Published) else -1
                await tx.accounts.count_posts(UserId(event.author_id), change)
