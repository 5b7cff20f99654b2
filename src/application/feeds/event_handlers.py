"""Event handlers of feeds. They keep the timelines of active readers complete."""

from application.feeds.ports import AuthorFollowers, HomeViewers, Timelines
from application.shared.events import AccountDeleted, Published, Reposted
from application.shared.feed_entries import FeedEntry
from domain.dataclasses import dataclass
from domain.shared import EventId, PostId, UserId

BATCH = 1_000
"""Followers per batch."""


def is_no_comment(event: Published) -> bool:
    return event.reply_to is None


@dataclass(frozen=True, slots=True)
class FanOut:
    """Adds a published or reposted post to the timelines of the author's followers. Idempotent.

    Entries by popular accounts, and the reader's own, are not copied but merged at read time. Deletions need no
    fan-out: the rules of the feed hide deleted posts. Clients that show a home feed are notified after the push, so
    that a client that reads at once finds the entry."""

    timelines: Timelines
    followers: AuthorFollowers
    home_viewers: HomeViewers

    async def __call__(self, event: Published | Reposted, _event_id: EventId) -> None:
        post = PostId(event.post_id)
        if isinstance(event, Reposted):
            await self._fan_out(FeedEntry(event.repost_id, post, UserId(event.user_id)))
        elif event.reply_to is None:
            # A direct post has few readers. A hint about it would tell the other followers that it exists.
            await self._fan_out(
                FeedEntry(post, post, UserId(event.author_id)), send_hint=event.visibility != "direct"
            )

    async def _fan_out(self, entry: FeedEntry, *, send_hint: bool = True) -> None:
        if await self.followers.is_popular(entry.by):
            return
        readers = await self.followers.after(entry.by, UserId(0), BATCH)
        while readers:
            await self.timelines.push(readers, entry)
            if send_hint:
                await self.home_viewers.notify_new_posts(readers)
            if len(readers) < BATCH:
                break
            readers = await self.followers.after(entry.by, readers[-1], BATCH)


@dataclass(frozen=True, slots=True)
class DropTimeline:
    timelines: Timelines

    async def __call__(self, event: AccountDeleted, _event_id: EventId) -> None:
        await self.timelines.drop([UserId(event.user_id)])
