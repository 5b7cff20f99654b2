"""Event handlers of notifications that notify users."""

from collections.abc import Callable

from application.notifications.notify import NotificationRequest, Notify
from application.notifications.ports import BATCH, NotificationPosts
from application.shared.events import (
    Edited,
    Followed,
    FollowRequested,
    Liked,
    MediaSettled,
    Published,
    Reposted,
)
from application.shared.subscriptions import BUDGET
from domain.dataclasses import dataclass
from domain.notifications import NotificationKind
from domain.shared import EventId, MediaId, PostId, UserId, made_at


@dataclass(frozen=True, slots=True)
class NotifyOfEngagement:
    """Notifies the author of a like or repost, and again if it was undone and repeated."""

    notify: Notify

    async def __call__(self, event: Liked | Reposted, event_id: EventId) -> None:
        kind = NotificationKind.LIKE if isinstance(event, Liked) else NotificationKind.REPOST
        request = NotificationRequest(kind, UserId(event.user_id), PostId(event.post_id), event=event_id)
        await self.notify(request, [UserId(event.author_id)])


def may_have_addressees(event: Published | Edited) -> bool:
    """Most posts reply to nothing and mention nobody, and then cost no question."""
    if isinstance(event, Edited):
        return bool(event.mentioned_new)
    return event.reply_to is not None or event.mentioned != ()


@dataclass(frozen=True, slots=True)
class NotifyOfPost:
    """Notifies the author of the post that a comment replies to, and mentioned users. A user who is both gets the
    notification of the comment only."""

    notify: Notify
    posts: NotificationPosts

    async def __call__(self, event: Published | Edited, _event_id: EventId) -> None:
        post, author = PostId(event.post_id), UserId(event.author_id)
        if isinstance(event, Edited):
            await self._mention(post, author, [UserId(user) for user in event.mentioned_new])
            return
        addressees = await self.posts.addressees(post)
        if addressees is None:
            return
        if addressees.replied_to is not None:
            await self.notify(
                NotificationRequest(NotificationKind.COMMENT, author, post, dedupe=_of(post)),
                [addressees.replied_to],
            )
        await self._mention(post, author, [*addressees.mentioned])

    async def _mention(self, post: PostId, author: UserId, users: list[UserId]) -> None:
        if users:
            await self.notify(
                NotificationRequest(NotificationKind.MENTION, author, post, dedupe=_of(post)), users
            )


@dataclass(frozen=True, slots=True)
class NotifyOfMedia:
    """Notifies the owner of an upload of the result."""

    notify: Notify

    async def __call__(self, event: MediaSettled, _event_id: EventId) -> None:
        kind = NotificationKind.MEDIA_READY if event.reason is None else NotificationKind.MEDIA_FAILED
        media = MediaId(event.media_id)
        await self.notify.notify_owner(
            NotificationRequest(kind, UserId(event.owner_id), media=media, dedupe=("media", media))
        )


def _of(post: PostId) -> tuple[object, ...]:
    """The dedupe key of a post: users are notified of it once."""
    return "post", post


def _day(event_id: EventId) -> int:
    return made_at(event_id).date().toordinal()


@dataclass(frozen=True, slots=True)
class NotifyOfEdit:
    """Notifies users who liked, reposted or replied to a post that it was edited: once a day, since an author may edit
    a post several times in a row. When the time is up, it continues later after the last user."""

    notify: Notify
    posts: NotificationPosts
    monotonic: Callable[[], float]
    budget: float = BUDGET

    async def __call__(self, event: Edited, event_id: EventId, after: str | None = None) -> str | None:
        post, last = PostId(event.post_id), UserId(int(after or 0))
        day = _day(event_id)
        request = NotificationRequest(
            NotificationKind.EDIT, UserId(event.author_id), post, dedupe=("edit", post, day)
        )
        until = self.monotonic() + self.budget
        while True:
            users = await self.posts.involved(post, last, BATCH)
            await self.notify(request, users)
            if len(users) < BATCH:
                return None
            last = users[-1]
            if self.monotonic() >= until:
                return str(last)


@dataclass(frozen=True, slots=True)
class NotifyOfFollow:
    """Notifies the user who is followed, asked or accepted, and again if that ended and begins anew."""

    notify: Notify

    async def __call__(self, event: Followed | FollowRequested, event_id: EventId) -> None:
        user, other = UserId(event.user_id), UserId(event.other_id)
        if isinstance(event, FollowRequested):
            kind, actor, recipient = NotificationKind.FOLLOW_REQUEST, user, other
        elif event.accepted:
            kind, actor, recipient = NotificationKind.FOLLOW_ACCEPTED, other, user
        else:
            kind, actor, recipient = NotificationKind.FOLLOW, user, other
        await self.notify(NotificationRequest(kind, actor, event=event_id), [recipient])
