"""Searching posts and hashtags."""

from collections.abc import Sequence
from typing import Protocol

from application.posts.ports import AuthorDirectory, PostsReader
from application.posts.queries import HydratedPost, HydratePosts
from application.shared.paging import Page, Window, page
from application.shared.ports import ViewerContexts
from domain.dataclasses import dataclass
from domain.posts.searching import PostQuery
from domain.posts.tags import beginning_of_tag
from domain.shared import CountGraphemes, FieldError, Invalid, PostId, UserId, ViewerContext
from domain.words import check_length


@dataclass(frozen=True, slots=True)
class TagWindow:
    """As Window, for lists of tags in alphabetical order."""

    limit: int
    edge: str | None = None
    back: bool = False


@dataclass(frozen=True, slots=True)
class FoundTag:
    tag: str
    """Canonical."""
    posts: int
    """The number of posts with the tag that can be found, among the newest that have it."""


class PostSearch(Protocol):
    """Finds posts and comments that are public, of open authors whom the viewer neither blocks nor mutes nor is blocked
    by, and the viewer's own. Filters apply before any limit. Up to `limit + 1` results."""

    async def posts(
        self, query: PostQuery, authors: Sequence[UserId], window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostId]:
        """The posts that match all terms of the query and are by each of `authors`, the users of the query's `authors`;
        newest first. Raises Unavailable if the query takes too long."""
        ...

    async def hashtags(
        self, beginning: str, window: TagWindow, viewer_context: ViewerContext
    ) -> Sequence[FoundTag]:
        """The tags that begin like this, ordered by code points. Each has the number of posts that the viewer can find
        among the last COUNTED posts with the tag; the viewer's own count only if they are public. Tags without any
        such post are left out."""
        ...


COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class SearchPosts:
    """Public posts and comments, and the viewer's own, newest first. Raises Invalid.

    A post that was deleted just now is left out, so a page may be short without being the last one.
    """

    search: PostSearch
    viewer_contexts: ViewerContexts
    people: AuthorDirectory
    reader: PostsReader
    hydrate: HydratePosts
    graphemes: CountGraphemes

    async def __call__(self, viewer: UserId | None, asked: str, window: Window) -> Page[HydratedPost]:
        query = PostQuery.parsed(asked, self.graphemes)
        viewer_context = await self.viewer_contexts.of(viewer)
        named = await self.people.ids_named(query.authors) if query.authors else {}
        if len(named) < len(query.authors):
            return Page((), None, None)  # one of the usernames does not exist, so no post matches
        ids = await self.search.posts(query, [*named.values()], window, viewer_context)
        found = page(ids, window, lambda id_: id_, newest_first=True)
        rows = await self.reader.by_ids(found.items, viewer_context) if found.items else {}
        seen = await self.hydrate([rows[id_] for id_ in found.items if id_ in rows], viewer)
        return Page(seen, found.next, found.prev)


@dataclass(frozen=True, slots=True)
class TagPage:
    items: Sequence[FoundTag]
    next: TagWindow | None
    prev: TagWindow | None


@dataclass(frozen=True, slots=True)
class SearchHashtags:
    """Hashtags by their beginning, in alphabetical order. Raises Invalid."""

    search: PostSearch
    viewer_contexts: ViewerContexts
    graphemes: CountGraphemes

    async def __call__(self, viewer: UserId | None, asked: str, window: TagWindow) -> TagPage:
        check_length(asked, self.graphemes)
        beginning = beginning_of_tag(asked.strip().removeprefix("#"))
        if beginning is None:
            raise Invalid(FieldError("?q", "nothing_to_find", "no hashtag begins like this"))
        found = await self.search.hashtags(beginning, window, await self.viewer_contexts.of(viewer))
        return _tag_page(found, window)


def _tag_page(found: Sequence[FoundTag], window: TagWindow) -> TagPage:
    more = len(found) > window.limit
    items = (found[1:] if window.back else found[:-1]) if more else found
    if not items:  # everything beyond the edge is gone: link back to the other side of it
        elsewhere = None if window.edge is None else TagWindow(window.limit, window.edge, not window.back)
        return TagPage((), elsewhere, None) if window.back else TagPage((), None, elsewhere)
    following = TagWindow(window.limit, items[-1].tag) if more or window.back else None
    has_prev = more if window.back else window.edge is not None
    return TagPage(items, following, TagWindow(window.limit, items[0].tag, back=True) if has_prev else None)
