"""What posts does when identity tells it something of an account."""

from dataclasses import dataclass

from application.posts.ports import PostsTx
from application.shared.events import ProfileChanged
from application.shared.ports import OpenTx
from domain.shared import EventId, UserId


@dataclass(frozen=True, slots=True)
class RestrictAuthor:
    """Shows the posts of a private account to its followers only, from the next read on."""

    open_tx: OpenTx[PostsTx]

    async def __call__(self, event: ProfileChanged, _event_id: EventId) -> None:
        if event.private is None:
            return
        async with self.open_tx() as tx:  # safe to repeat, and a fact that comes late has an older version
            await tx.authors.set_private(UserId(event.user_id), event.version, private=event.private)
