"""The state of a user's stream."""

from dataclasses import dataclass

from application.notifications.ports import NotificationsTx, StreamReader
from application.shared.ports import OpenTx
from domain.notifications import Stream
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class FindStream:
    """Returns the state of the user's stream. Creates the stream if there is none, so that a cursor issued now stays
    valid when the first notification arrives."""

    open_tx: OpenTx[NotificationsTx]
    reader: StreamReader

    async def __call__(self, user: UserId) -> Stream:
        found = await self.reader.stream(user)
        if found is None:
            async with self.open_tx() as tx:
                found = (await tx.streams.lock([user]))[user]
        return found
