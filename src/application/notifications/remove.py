"""Removes notifications from a stream: dismissed, retracted, or no longer visible to the user."""

from collections.abc import Collection

from application.notifications.ports import NotificationsTx, StreamHint, StreamHints
from application.shared.ports import NewId, OpenTx
from domain.dataclasses import dataclass
from domain.notifications import Stream, StreamChange, StreamEntry
from domain.shared import UserId

AT_ONCE = 100
"""Sequence numbers per entry."""


async def remove_entries(
    tx: NotificationsTx, stream: Stream, seqs: Collection[int], new_id: NewId, dedupe_key: str | None = None
) -> Stream:
    """The locked stream without the notifications at `seqs`, and with entries that report the removal.

    Returns the same stream if none of them is left, or if `dedupe_key` was used before."""
    if dedupe_key is not None and await tx.streams.known([(stream.user, dedupe_key)]):
        return stream
    removed = await tx.streams.remove(stream.user, seqs)
    if not removed:
        return stream
    removed_seqs = sorted(seq for seq, _ in removed)
    after = stream.without_removed(removed)
    entries: list[tuple[StreamEntry, str | None]] = []
    for start in range(0, len(removed_seqs), AT_ONCE):
        after = after.with_entry(StreamChange.REMOVED)
        refs = tuple(removed_seqs[start : start + AT_ONCE])
        entries.append(
            (StreamEntry(after.user, after.head, new_id(), StreamChange.REMOVED, refs=refs), dedupe_key)
        )
        dedupe_key = None  # only the first entry carries it
    await tx.streams.add(entries)
    await tx.streams.save([after])
    return after


@dataclass(frozen=True, slots=True)
class RemoveNotifications:
    """Removes notifications from one stream and informs the user's devices. Idempotent."""

    open_tx: OpenTx[NotificationsTx]
    new_id: NewId
    hints: StreamHints

    async def __call__(self, user: UserId, seqs: Collection[int], dedupe_key: str | None = None) -> None:
        async with self.open_tx() as tx:
            before = (await tx.streams.lock([user]))[user]
            after = await remove_entries(tx, before, seqs, self.new_id, dedupe_key)
        if after is not before:
            await self.hints.send_hint([user], StreamHint.STREAM)
