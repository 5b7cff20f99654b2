"""Deletes old entries of streams in small steps, and repairs streams after a restore."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from application.notifications.ports import BATCH, NotificationsTx, StreamReader
from application.shared.ports import Clock, OpenTx
from domain.dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class RenewStreams:
    """Gives every stream a new epoch, so that no client continues from a number that now means another entry. Returns
    how many streams there are. Idempotent."""

    open_tx: OpenTx[NotificationsTx]
    reader: StreamReader
    random: Callable[[int], bytes]

    async def __call__(self) -> int:
        renewed, last = 0, UserId(0)
        while users := await self.reader.users(last, BATCH):
            async with self.open_tx() as tx:
                streams = await tx.streams.lock(users)
                await tx.streams.save(
                    [replace(stream, epoch=self.random(8).hex()) for stream in streams.values()]
                )
            renewed, last = renewed + len(users), users[-1]
        return renewed
