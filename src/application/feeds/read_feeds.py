"""The public feed, hashtag feeds, and the feeds of single accounts."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

from application.feeds.pipeline import FeedPost, OncePerPost, ReadPage, no_rules
from application.shared.feed_entries import FeedEntries, FeedEntry
from application.shared.paging import Page, Window
from application.shared.people import Cards
from application.shared.ports import ViewerContexts
from domain.dataclasses import dataclass
from domain.shared import NotFound, UserId, UserNotFound

S = TypeVar("S", bound=FeedPost)


@dataclass(frozen=True, slots=True)
class ReadPublicFeed(Generic[S]):
    viewer_contexts: ViewerContexts
    feed_entries: FeedEntries
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, window: Window) -> Page[S]:
        viewer_context = await self.viewer_contexts.of(viewer)
        skeleton = partial(self.feed_entries.public, viewer_context=viewer_context)
        return await self.read_page(viewer_context, window, skeleton, no_rules)


class NoSuchHashtag(NotFound):
    """No hashtag can be written like this."""

    code = "hashtag_not_found"


@dataclass(frozen=True, slots=True)
class ReadHashtagFeed(Generic[S]):
    """Posts and comments with a hashtag, in any spelling. Raises NoSuchHashtag."""

    canonical: Callable[[str], str | None]
    """Returns the form in which posts stores a hashtag; None if it is not a valid hashtag."""
    viewer_contexts: ViewerContexts
    feed_entries: FeedEntries
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, tag: str, window: Window) -> Page[S]:
        if (canonical := self.canonical(tag)) is None:
            raise NoSuchHashtag("this is not a valid hashtag")
        viewer_context = await self.viewer_contexts.of(viewer)
        skeleton = partial(self.feed_entries.tagged, canonical, viewer_context=viewer_context)
        return await self.read_page(viewer_context, window, skeleton, no_rules)


@dataclass(frozen=True, slots=True)
class ReadUserFeed(Generic[S]):
    """Reads what one account publishes and reposts, without comments. Raises UserNotFound."""

    viewer_contexts: ViewerContexts
    feed_entries: FeedEntries
    people: Cards
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, user: UserId, window: Window) -> Page[S]:
        if not await self.people.cards([user]):
            raise UserNotFound("no such user")
        viewer_context = await self.viewer_contexts.of(viewer)
        if user in viewer_context.blocked:
            return await self.read_page(viewer_context, window, _empty, no_rules)
        source = frozenset({user})
        shows = await self.feed_entries.shows_reposts(user, viewer_context)
        rules = OncePerPost(self.feed_entries, source) if shows else published_only
        return await self.read_page(
            viewer_context, window, partial(self.feed_entries.by_sources, source), rules
        )


async def _empty(_window: Window) -> Sequence[FeedEntry]:
    """Used instead of rules that hide each post: a page whose posts are all hidden would go on from the id of its last
    post."""
    return ()


async def published_only(
    entries: Sequence[FeedEntry], _hydrated: Mapping[int, FeedPost]
) -> Sequence[FeedEntry]:
    return [entry for entry in entries if not entry.is_repost]
