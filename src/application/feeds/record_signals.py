"""Event handlers of trending. They record engagement signals."""

from datetime import timedelta

from application.feeds.signals import LIKED, REPOSTED, SignalsTx
from application.feeds.trending_formula import (
    COMMENT_WEIGHT,
    LIKE_WEIGHT,
    REPOST_WEIGHT,
    WINDOW_MS,
    EngagementSignal,
    HashtagSignal,
)
from application.shared.events import (
    AccountDeleted,
    Edited,
    Liked,
    PostDeleted,
    Published,
    Reposted,
    Unliked,
    Unreposted,
)
from application.shared.ports import Clock, OpenTx
from domain.dataclasses import dataclass
from domain.shared import OPEN_VISIBILITIES, EventId, PostId, UserId, made_at

WINDOW = timedelta(milliseconds=WINDOW_MS)
BATCH = 500
"""Rows per transaction."""


@dataclass(frozen=True, slots=True)
class RecordEngagement:
    """Records likes and reposts, except those of one's own posts."""

    open_tx: OpenTx[SignalsTx]

    async def __call__(self, event: Liked | Unliked | Reposted | Unreposted, event_id: EventId) -> None:
        post, user = PostId(event.post_id), UserId(event.user_id)
        if user == event.author_id:
            return
        async with self.open_tx() as tx:
            match event:
                case Liked():
                    await tx.signals.add(EngagementSignal(post, user, LIKED, LIKE_WEIGHT, millis(event_id)))
                case Reposted():
                    await tx.signals.add(
                        EngagementSignal(post, user, REPOSTED, REPOST_WEIGHT, millis(event_id))
                    )
                case Unliked():
                    await tx.signals.remove(post, user, LIKED)
                case Unreposted():
                    await tx.signals.remove(post, user, REPOSTED)


def gives_signals(event: Published | Edited) -> bool:
    """Most posts give no signals, and then cost no transaction."""
    if isinstance(event, Edited):
        return event.visibility == "public" and event.hashtags is not None
    return bool(event.reply_to or event.hashtags) and event.visibility in OPEN_VISIBILITIES


@dataclass(frozen=True, slots=True)
class RecordPostSignals:
    """Records a comment as a signal for the post it replies to, and a public post as a signal for its hashtags. The
    event does not name the author of that post; comments on one's own posts are excluded when signals are counted."""

    open_tx: OpenTx[SignalsTx]
    now: Clock

    async def __call__(self, event: Published | Edited | PostDeleted, _event_id: EventId) -> None:
        post, author = PostId(event.post_id), UserId(event.author_id)
        if isinstance(event, PostDeleted):
            await self._forget(event)
        elif gives_signals(event) and made_at(post) > self.now() - WINDOW:
            async with self.open_tx() as tx:
                if (
                    isinstance(event, Published)
                    and event.reply_to is not None
                    and event.visibility in OPEN_VISIBILITIES
                ):
                    await tx.signals.add(
                        EngagementSignal(PostId(event.reply_to), author, post, COMMENT_WEIGHT, millis(post))
                    )
                if event.visibility == "public" and event.hashtags is not None:
                    tags = [HashtagSignal(tag, post, author, millis(post)) for tag in event.hashtags]
                    await tx.signals.set_tags(post, tags)

    async def _forget(self, event: PostDeleted) -> None:
        post = PostId(event.post_id)
        async with self.open_tx() as tx:
            if event.reply_to is not None:
                await tx.signals.remove(PostId(event.reply_to), UserId(event.author_id), post)
            deleted = await tx.signals.delete_for_post(post, BATCH)
        while deleted == BATCH:
            async with self.open_tx() as tx:
                deleted = await tx.signals.delete_for_post(post, BATCH)


@dataclass(frozen=True, slots=True)
class EraseAccountSignals:
    """Erases the signals of a deleted account. Can be interrupted at any point and started again."""

    open_tx: OpenTx[SignalsTx]

    async def __call__(self, event: AccountDeleted, _event_id: EventId) -> None:
        deleted = BATCH
        while deleted == BATCH:
            async with self.open_tx() as tx:
                deleted = await tx.signals.delete_by_user(UserId(event.user_id), BATCH)


def millis(id_: int) -> int:
    """The time in an id, in milliseconds since 1970."""
    return id_ >> 16
