"""Repairs streams after a restore: a backup lacks entries that clients have seen since."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from application.notifications.ports import BATCH, NotificationsTx, StreamReader
from application.shared.ports import OpenTx
from domain.shared import UserId


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
