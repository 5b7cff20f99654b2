"""Taking out of streams what is dismissed, taken back, or may not be seen any more."""

from collections.abc import Collection
from dataclasses import dataclass

from application.notifications.ports import NotificationsTx, StreamHint, StreamHints
from application.shared.ports import NewId, OpenTx
from domain.notifications import Stream, StreamChange, StreamEntry
from domain.shared import UserId

AT_ONCE = 100
"""Numbers in one entry, at most."""


async def taken_out(
    tx: NotificationsTx, stream: Stream, seqs: Collection[int], new_id: NewId, dedupe_key: str | None = None
) -> Stream:
    """The locked stream without the notifications that stand at `seqs`, and with entries that say so. The same
    stream if none stands there any more, or if something was taken out under the dedupe key `dedupe_key` before."""
    if dedupe_key is not None and await tx.streams.known([(stream.user, dedupe_key)]):
        return stream
    removed = await tx.streams.remove(stream.user, seqs)
    if not removed:
        return stream
    gone = sorted(seq for seq, _ in removed)
    after = stream.without_removed(removed)
    said: list[tuple[StreamEntry, str | None]] = []
    for start in range(0, len(gone), AT_ONCE):
        after = after.with_entry(StreamChange.REMOVED)
        refs = tuple(gone[start : start + AT_ONCE])
        said.append(
            (StreamEntry(after.user, after.head, new_id(), StreamChange.REMOVED, refs=refs), dedupe_key)
        )
        dedupe_key = None  # the first one carries it
    await tx.streams.add(said)
    await tx.streams.save([after])
    return after


@dataclass(frozen=True, slots=True)
class RemoveNotifications:
    """Takes notifications out of one stream, and lets its user's devices know. Harmless for what is gone already."""

    open_tx: OpenTx[NotificationsTx]
    new_id: NewId
    hints: StreamHints

    async def __call__(self, user: UserId, seqs: Collection[int], dedupe_key: str | None = None) -> None:
        async with self.open_tx() as tx:
            before = (await tx.streams.lock([user]))[user]
            after = await taken_out(tx, before, seqs, self.new_id, dedupe_key)
        if after is not before:
            await self.hints.send_hint([user], StreamHint.STREAM)
