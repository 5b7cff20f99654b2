"""What a user does with the own stream: marks it as read, dismisses what stands there, says what to be told."""

from collections.abc import Mapping
from dataclasses import dataclass

from application.notifications.hydration import PruneHidden
from application.notifications.ports import BATCH, NotificationsTx, StreamHint, StreamHints, StreamReader
from application.shared.paging import Window
from application.shared.ports import NewId, OpenTx
from domain.notifications import Channel, Kind, Preferences, Stream, StreamChange, StreamEntry
from domain.shared import NotFound, UserId


class NoSuchNotification(NotFound):
    """No notification of yours has, or had, this sequence number; what is too old is not known any more."""

    code = "notification_not_found"


@dataclass(frozen=True, slots=True)
class MarkRead:
    """Moves the read marker to the newest notification at `seq` or below, and never back. Where it passes none,
    nothing happens and nothing is said, so that two devices cannot talk for ever."""

    open_tx: OpenTx[NotificationsTx]
    new_id: NewId
    hints: StreamHints

    async def __call__(self, user: UserId, seq: int) -> Stream:
        async with self.open_tx() as tx:
            before = (await tx.streams.lock([user]))[user]
            newest = await tx.streams.newest_up_to(user, min(seq, before.head))
            if newest <= before.read:
                return before
            passed = await tx.streams.unread_between(user, before.read, newest)
            after = before.read_up_to(newest, passed).with_entry(StreamChange.READ)
            said = StreamEntry(user, after.head, self.new_id(), StreamChange.READ, refs=(newest,))
            await tx.streams.add([(said, None)])
            await tx.streams.save([after])
        await self.hints.send_hint([user], StreamHint.STREAM)
        return after


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Removes notifications for good. Those that are removed already stay so. Raises NoSuchNotification."""

    reader: StreamReader
    remove: PruneHidden

    async def __call__(self, user: UserId, seq: int) -> None:
        found = await self.reader.after(user, seq - 1, 1)
        if not found or found[0].seq != seq or not isinstance(found[0].type, Kind):
            raise NoSuchNotification("no such notification")
        await self.remove(user, [seq])

    async def all(self, user: UserId) -> None:
        """All that there are as it begins."""
        stream = await self.reader.stream(user)
        window = Window(BATCH, 1 + stream.head if stream else 0)
        while rows := await self.reader.latest(user, window, tuple(Kind)):
            seqs = [entry.seq for entry in rows[:BATCH]]
            await self.remove(user, seqs)
            window = Window(BATCH, seqs[-1])


@dataclass(frozen=True, slots=True)
class SetPreferences:
    """Changes what is said of some kinds and channels; the others stay as they are."""

    open_tx: OpenTx[NotificationsTx]

    async def __call__(self, user: UserId, changes: Mapping[Channel, Mapping[Kind, bool]]) -> Preferences:
        async with self.open_tx() as tx:
            await tx.streams.lock([user])
            before = (await tx.streams.preferences([user]))[user]
            after = before.with_changes(changes)
            await tx.streams.set_preferences(user, after)
        return after
