"""What feeds does when posts and identity tell it something: keep the timelines of active readers whole."""

from dataclasses import dataclass

from application.feeds.ports import Audience, HomeViewers, Timelines
from application.shared.events import AccountDeleted, Published, Reposted
from application.shared.feed_entries import FeedEntry
from domain.shared import EventId, PostId, UserId

PAGE = 1_000
"""Followers that are told at a time."""


@dataclass(frozen=True, slots=True)
class FanOut:
    """Adds what is published or reposted to the timelines of followers. Repeated, it changes nothing.

    What popular people and the reader do is not copied but read with the page. Deletions need no fan-out:
    rules hide what is gone. Who watches is told after the push, so that whoever looks then finds it.
    """

    timelines: Timelines
    audience: Audience
    home_viewers: HomeViewers

    async def __call__(self, event: Published | Reposted, _event_id: EventId) -> None:
        post = PostId(event.post_id)
        if isinstance(event, Reposted):
            await self._fan_out(FeedEntry(event.repost_id, post, UserId(event.user_id)))
        elif event.reply_to is None:
            # What few may see is no news to all: that something came would tell them of it.
            await self._fan_out(
                FeedEntry(post, post, UserId(event.author_id)), notify_new_posts=event.visibility != "direct"
            )

    async def _fan_out(self, entry: FeedEntry, *, notify_new_posts: bool = True) -> None:
        if await self.audience.is_popular(entry.by):
            return
        readers = await self.audience.followers_of(entry.by, UserId(0), PAGE)
        while readers:
            await self.timelines.push(readers, entry)
            if notify_new_posts:
                await self.home_viewers.notify_new_posts(readers)
            if len(readers) < PAGE:
                break
            readers = await self.audience.followers_of(entry.by, readers[-1], PAGE)


@dataclass(frozen=True, slots=True)
class DropTimeline:
    timelines: Timelines

    async def __call__(self, event: AccountDeleted, _event_id: EventId) -> None:
        await self.timelines.drop([UserId(event.user_id)])
