"""The feeds that are the same for everybody, but for whom their reader does not want to meet; and one user's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from application.feeds.pipeline import FeedPost, ReadPage, no_rules
from application.feeds.ports import Candidates, People
from application.feeds.rules import OncePerPost
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Page, Window
from application.shared.ports import ViewerContexts
from domain.shared import NotFound, UserId, UserNotFound

S = TypeVar("S", bound=FeedPost)


@dataclass(frozen=True, slots=True)
class ReadPublicFeed(Generic[S]):
    viewer_contexts: ViewerContexts
    candidates: Candidates
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, window: Window) -> Page[S]:
        viewer_context = await self.viewer_contexts.of(viewer)
        skeleton = partial(self.candidates.public, viewer_context=viewer_context)
        return await self.read_page(viewer_context, window, skeleton, no_rules)


class NoSuchHashtag(NotFound):
    """This can be no hashtag, so there is nothing with it."""

    code = "hashtag_not_found"


@dataclass(frozen=True, slots=True)
class ReadHashtagFeed(Generic[S]):
    """Posts and comments with a hashtag, however it is written. Raises NoSuchHashtag."""

    canonical: Callable[[str], str | None]
    """How posts keeps a tag; None if it can be none."""
    viewer_contexts: ViewerContexts
    candidates: Candidates
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, tag: str, window: Window) -> Page[S]:
        if (canonical := self.canonical(tag)) is None:
            raise NoSuchHashtag("this can be no hashtag")
        viewer_context = await self.viewer_contexts.of(viewer)
        skeleton = partial(self.candidates.tagged, canonical, viewer_context=viewer_context)
        return await self.read_page(viewer_context, window, skeleton, no_rules)


@dataclass(frozen=True, slots=True)
class ReadUserFeed(Generic[S]):
    """What one user publishes and reposts, comments aside. Raises UserNotFound."""

    viewer_contexts: ViewerContexts
    candidates: Candidates
    people: People
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, user: UserId, window: Window) -> Page[S]:
        if not await self.people.cards([user]):
            raise UserNotFound("no such user")
        viewer_context = await self.viewer_contexts.of(viewer)
        if user in viewer_context.blocked:
            return await self.read_page(viewer_context, window, _nothing, no_rules)
        source = frozenset({user})
        shows = await self.candidates.shows_reposts(user, viewer_context)
        rules = OncePerPost(self.candidates, source) if shows else published_only
        return await self.read_page(
            viewer_context, window, partial(self.candidates.by_sources, source), rules
        )


async def _nothing(_window: Window) -> Sequence[FeedEntry]:
    """Not what rules would hide one by one: a page on which all is hidden goes on from the id of the last of it."""
    return ()


async def published_only(entries: Sequence[FeedEntry], _shown: Mapping[int, FeedPost]) -> Sequence[FeedEntry]:
    return [entry for entry in entries if not entry.is_repost]
