"""Where a user's stream stands, for whoever asks first as well."""

from dataclasses import dataclass

from application.notifications.ports import NotificationsTx, StreamReader
from application.shared.ports import OpenTx
from domain.notifications import Stream
from domain.shared import UserId


@dataclass(frozen=True, slots=True)
class FindStream:
    """Begun here if nothing was told yet: the cursor that its user is given then shall be good when something is."""

    open_tx: OpenTx[NotificationsTx]
    reader: StreamReader

    async def __call__(self, user: UserId) -> Stream:
        found = await self.reader.stream(user)
        if found is None:
            async with self.open_tx() as tx:
                found = (await tx.streams.lock([user]))[user]
        return found
