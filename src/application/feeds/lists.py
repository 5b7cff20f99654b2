"""The feeds that are the same for everybody, but for whom their reader does not want to meet; and one user's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from application.feeds.pipeline import ReadPage, Seen, no_rules
from application.feeds.ports import Candidates, People
from application.feeds.rules import OncePerPost
from application.shared.entries import Entry
from application.shared.paging import Page, Window
from application.shared.ports import Standings
from domain.shared import NotFound, UserId

S = TypeVar("S", bound=Seen)


@dataclass(frozen=True, slots=True)
class ReadPublic(Generic[S]):
    standings: Standings
    candidates: Candidates
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, window: Window) -> Page[S]:
        standing = await self.standings.of(viewer)
        skeleton = partial(self.candidates.public, standing=standing)
        return await self.read_page(standing, window, skeleton, no_rules)


class NoSuchHashtag(NotFound):
    """This can be no hashtag, so there is nothing with it."""

    code = "hashtag_not_found"


@dataclass(frozen=True, slots=True)
class ReadTagged(Generic[S]):
    """Posts and comments with a hashtag, however it is written. Raises NoSuchHashtag."""

    canonical: Callable[[str], str | None]
    """How posts keeps a tag; None if it can be none."""
    standings: Standings
    candidates: Candidates
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, tag: str, window: Window) -> Page[S]:
        if (canonical := self.canonical(tag)) is None:
            raise NoSuchHashtag("this can be no hashtag")
        standing = await self.standings.of(viewer)
        skeleton = partial(self.candidates.tagged, canonical, standing=standing)
        return await self.read_page(standing, window, skeleton, no_rules)


class NoSuchUser(NotFound):
    """There is no such user."""

    code = "user_not_found"


@dataclass(frozen=True, slots=True)
class ReadUser(Generic[S]):
    """What one user publishes and reposts, comments aside. Raises NoSuchUser."""

    standings: Standings
    candidates: Candidates
    people: People
    read_page: ReadPage[S]

    async def __call__(self, viewer: UserId | None, user: UserId, window: Window) -> Page[S]:
        if not await self.people.cards([user]):
            raise NoSuchUser("no such user")
        standing = await self.standings.of(viewer)
        if user in standing.blocked:
            return await self.read_page(standing, window, _nothing, no_rules)
        source = frozenset({user})
        shows = await self.candidates.shows_reposts(user, standing)
        rules = OncePerPost(self.candidates, source) if shows else published_only
        return await self.read_page(standing, window, partial(self.candidates.by_sources, source), rules)


async def _nothing(_window: Window) -> Sequence[Entry]:
    """Not what rules would hide one by one: a page on which all is hidden goes on from the id of the last of it."""
    return ()


async def published_only(entries: Sequence[Entry], _shown: Mapping[int, Seen]) -> Sequence[Entry]:
    return [entry for entry in entries if not entry.is_repost]
