"""Commands of a user on their own stream: mark as read, dismiss, set preferences."""

from collections.abc import Mapping

from application.notifications.hydration import RemoveEntries
from application.notifications.ports import BATCH, NotificationsTx, StreamHint, StreamHints, StreamReader
from application.shared.paging import Window
from application.shared.ports import NewId, OpenTx
from domain.dataclasses import dataclass
from domain.notifications import Channel, NotificationKind, Preferences, Stream, StreamChange, StreamEntry
from domain.shared import NotFound, UserId


class NoSuchNotification(NotFound):
    """You have no notification with this sequence number, or it is too old and was deleted."""

    code = "notification_not_found"


@dataclass(frozen=True, slots=True)
class MarkRead:
    """Moves the read marker to the newest notification at `seq` or below, and never back. If the marker passes no
    notification, nothing is added to the stream; otherwise two devices could react to each other forever."""

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
            entry = StreamEntry(user, after.head, self.new_id(), StreamChange.READ, refs=(newest,))
            await tx.streams.add([(entry, None)])
            await tx.streams.save([after])
        await self.hints.send_hint([user], StreamHint.STREAM)
        return after


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Removes notifications permanently. Has no effect on those that are removed already. Raises NoSuchNotification."""

    reader: StreamReader
    remove: RemoveEntries

    async def __call__(self, user: UserId, seq: int) -> None:
        found = await self.reader.after(user, seq - 1, 1)
        if not found or found[0].seq != seq or not isinstance(found[0].type, NotificationKind):
            raise NoSuchNotification("there is no such notification")
        await self.remove(user, [seq])

    async def all(self, user: UserId) -> None:
        """Removes all notifications that exist when it begins."""
        stream = await self.reader.stream(user)
        window = Window(BATCH, 1 + stream.head if stream else 0)
        while rows := await self.reader.latest(user, window, tuple(NotificationKind)):
            seqs = [entry.seq for entry in rows[:BATCH]]
            await self.remove(user, seqs)
            window = Window(BATCH, seqs[-1])


@dataclass(frozen=True, slots=True)
class SetPreferences:
    """Changes the settings of some kinds and channels; the others stay as they are."""

    open_tx: OpenTx[NotificationsTx]

    async def __call__(
        self, user: UserId, changes: Mapping[Channel, Mapping[NotificationKind, bool]]
    ) -> Preferences:
        async with self.open_tx() as tx:
            await tx.streams.lock([user])
            before = (await tx.streams.preferences([user]))[user]
            after = before.with_changes(changes)
            await tx.streams.set_preferences(user, after)
        return after
