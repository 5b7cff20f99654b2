"""Event handlers of notifications that retract notifications."""

from collections.abc import Callable, Collection, Sequence

from application.notifications.ports import NotificationRef, NotificationsTx, StreamReader
from application.notifications.remove import RemoveNotifications
from application.shared.events import (
    AccountDeleted,
    Blocked,
    Followed,
    FollowRequestEnded,
    PostDeleted,
    Unfollowed,
    Unliked,
    Unreposted,
)
from application.shared.ports import OpenTx
from application.shared.subscriptions import BUDGET, MORE
from domain.dataclasses import dataclass
from domain.notifications import NotificationKind
from domain.shared import EventId, PostId, UserId

BATCH = 200
"""Notifications per query."""


@dataclass(frozen=True, slots=True)
class RetractNotifications:
    """Retracts notifications of an action between two users that was undone, whether they are read or not. If the
    action is repeated, the user is notified again. A late redelivery of the event does not retract notifications of the
    repeated action."""

    reader: StreamReader
    remove: RemoveNotifications

    async def __call__(
        self,
        event: Unliked | Unreposted | Followed | Unfollowed | FollowRequestEnded | Blocked,
        event_id: EventId,
    ) -> None:
        dedupe_key = f"ended:{event_id}"
        match event:
            case Unliked() | Unreposted():
                kind = NotificationKind.LIKE if isinstance(event, Unliked) else NotificationKind.REPOST
                author, post = UserId(event.author_id), PostId(event.post_id)
                await self._retract(dedupe_key, author, UserId(event.user_id), [kind], post)
            case Followed() | FollowRequestEnded():  # the follow request was accepted or rejected
                await self._retract(
                    dedupe_key,
                    UserId(event.other_id),
                    UserId(event.user_id),
                    [NotificationKind.FOLLOW_REQUEST],
                )
            case Unfollowed():
                await self._retract(
                    dedupe_key, UserId(event.other_id), UserId(event.user_id), [NotificationKind.FOLLOW]
                )
                await self._retract(
                    dedupe_key,
                    UserId(event.user_id),
                    UserId(event.other_id),
                    [NotificationKind.FOLLOW_ACCEPTED],
                )
            case Blocked():
                await self._retract(
                    dedupe_key, UserId(event.other_id), UserId(event.user_id), tuple(NotificationKind)
                )
                await self._retract(
                    dedupe_key, UserId(event.user_id), UserId(event.other_id), tuple(NotificationKind)
                )

    async def _retract(
        self,
        dedupe_key: str,
        user: UserId,
        actor: UserId,
        kinds: Collection[NotificationKind],
        post: PostId | None = None,
    ) -> None:
        notifications = await self.reader.between(user, actor, kinds, post)
        if notifications:
            await self.remove(user, [one.seq for one in notifications], dedupe_key)


@dataclass(frozen=True, slots=True)
class RetractPostNotifications:
    """Retracts all notifications about a deleted post. When the time is up, other events are handled before it
    continues."""

    reader: StreamReader
    remove: RemoveNotifications
    monotonic: Callable[[], float]
    budget: float = BUDGET

    async def __call__(self, event: PostDeleted, _event_id: EventId, _more: str | None = None) -> str | None:
        until = self.monotonic() + self.budget
        post = PostId(event.post_id)
        while notifications := await self.reader.about_post(post, BATCH):
            await _remove(self.remove, notifications)
            if self.monotonic() >= until:
                return MORE
        return None


@dataclass(frozen=True, slots=True)
class EraseNotifications:
    """Deletes the stream of a deleted account, and retracts notifications that the account caused. Can be interrupted
    at any point and started again. When the time is up, other events are handled before it continues."""

    reader: StreamReader
    remove: RemoveNotifications
    open_tx: OpenTx[NotificationsTx]
    monotonic: Callable[[], float]
    budget: float = BUDGET

    async def __call__(
        self, event: AccountDeleted, _event_id: EventId, more: str | None = None
    ) -> str | None:
        until = self.monotonic() + self.budget
        user = UserId(event.user_id)
        if more is None:
            async with self.open_tx() as tx:
                # Serializes with a notification of this user at the same moment.
                await tx.streams.lock([user])
                await tx.streams.delete(user)
        while notifications := await self.reader.by_actor(user, BATCH):
            await _remove(self.remove, notifications)
            if self.monotonic() >= until:
                return MORE
        return None


async def _remove(remove: RemoveNotifications, notifications: Sequence[NotificationRef]) -> None:
    by_user: dict[UserId, list[int]] = {}
    for one in notifications:
        by_user.setdefault(one.user, []).append(one.seq)
    for user, seqs in sorted(by_user.items()):
        await remove(user, seqs)
