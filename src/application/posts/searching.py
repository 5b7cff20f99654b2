"""Finding posts and hashtags."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from application.posts.ports import People, PostsReader
from application.posts.queries import PresentedPost, PresentPosts
from application.shared.paging import Page, Window, page
from application.shared.ports import ViewerContexts
from domain.posts.searching import PostQuery
from domain.posts.tags import beginning_of_tag
from domain.shared import CountGraphemes, FieldError, Invalid, PostId, UserId, ViewerContext
from domain.words import check_length


@dataclass(frozen=True, slots=True)
class TagWindow:
    """As Window, of tags in their order."""

    limit: int
    edge: str | None = None
    back: bool = False


@dataclass(frozen=True, slots=True)
class FoundTag:
    tag: str
    """Canonical."""
    posts: int
    """How many posts with it there are to be found, among those that used it last."""


class PostSearch(Protocol):
    """Finds what `viewer_context` may find of posts: the public ones, comments too, of authors who are open, neither
    blocked nor muted; and the viewer's own. Filtered before any limit; up to `limit + 1` of it."""

    async def posts(
        self, query: PostQuery, authors: Sequence[UserId], window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostId]:
        """Those that have all that the query asks for and are by each of `authors`, who stand for the query's;
        newest first. Raises Unavailable for a query that takes too long."""
        ...

    async def hashtags(
        self, beginning: str, window: TagWindow, viewer_context: ViewerContext
    ) -> Sequence[FoundTag]:
        """The tags that begin so, by their code points, each with how many of the last COUNTED posts that have
        it everybody but those the viewer does not want to see can find: the viewer's own count if they are
        public. A tag of which there are none is not there."""
        ...


COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class SearchPosts:
    """Public posts and comments, and the viewer's own, newest first. Raises Invalid.

    A post that was deleted just now is left out: so a page may be short, which is not its end.
    """

    search: PostSearch
    viewer_contexts: ViewerContexts
    people: People
    reader: PostsReader
    present: PresentPosts
    graphemes: CountGraphemes

    async def __call__(self, viewer: UserId | None, asked: str, window: Window) -> Page[PresentedPost]:
        query = PostQuery.parsed(asked, self.graphemes)
        viewer_context = await self.viewer_contexts.of(viewer)
        named = await self.people.ids_named(query.authors) if query.authors else {}
        if len(named) < len(query.authors):
            return Page((), None, None)  # nobody has written anything under a name that nobody has
        ids = await self.search.posts(query, [*named.values()], window, viewer_context)
        found = page(ids, window, lambda id_: id_, newest_first=True)
        rows = await self.reader.by_ids(found.items, viewer_context) if found.items else {}
        seen = await self.present([rows[id_] for id_ in found.items if id_ in rows], viewer)
        return Page(seen, found.next, found.prev)


@dataclass(frozen=True, slots=True)
class TagPage:
    items: Sequence[FoundTag]
    next: TagWindow | None
    prev: TagWindow | None


@dataclass(frozen=True, slots=True)
class SearchHashtags:
    """Hashtags by their beginning, in the order of their letters. Raises Invalid."""

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
    if not items:  # what was there is gone: the list goes on, or went, from where it was left
        elsewhere = None if window.edge is None else TagWindow(window.limit, window.edge, not window.back)
        return TagPage((), elsewhere, None) if window.back else TagPage((), None, elsewhere)
    following = TagWindow(window.limit, items[-1].tag) if more or window.back else None
    has_prev = more if window.back else window.edge is not None
    return TagPage(items, following, TagWindow(window.limit, items[0].tag, back=True) if has_prev else None)
