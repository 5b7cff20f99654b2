"""Deletes entries that are too old, or too many, in small steps."""

from dataclasses import dataclass
from datetime import timedelta

from application.notifications.ports import BATCH, NotificationsTx, StreamReader
from application.shared.ports import Clock, OpenTx
from domain.notifications import RETENTION_DAYS
from domain.shared import UserId

STEP = 1_000
"""Entries per transaction."""


@dataclass(frozen=True, slots=True)
class TrimStreams:
    """Trims streams. No entry reports it: clients learn the new floor and drop what lies below."""

    open_tx: OpenTx[NotificationsTx]
    reader: StreamReader
    now: Clock

    async def __call__(self) -> None:
        while some := await self.reader.streams_to_trim(self.now() - timedelta(days=RETENTION_DAYS), BATCH):
            for user, floor in some:
                await self._cut(user, floor)

    async def _cut(self, user: UserId, wanted_floor: int) -> None:
        async with self.open_tx() as tx:
            stream = (await tx.streams.lock([user]))[user]
            if stream.head < wanted_floor - 1:  # deleted meanwhile, and created again by `lock`
                await tx.streams.delete(user)
                return
            floor = min(wanted_floor, stream.floor + STEP)
            lost = await tx.streams.unread_between(user, stream.read, floor - 1)
            await tx.streams.cut(user, floor)
            await tx.streams.save([stream.trimmed_to(floor, lost)])
