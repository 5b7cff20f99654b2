"""Who marked a post, and what a person marked or pinned."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.posts.ports import Marked, MarksReader, People, PostsReader
from application.posts.queries import Present, SeenPost
from application.shared.paging import Page, Window, page
from application.shared.people import AuthorCard
from application.shared.ports import ViewerContexts
from domain.posts import Mark, PostNotFound
from domain.shared import PostId, UserId, UserNotFound


@dataclass(frozen=True, slots=True)
class ListWhoMarked:
    """Who likes or reposts a post, the newest first, without those whom the viewer muted, and those whom a block
    hides. People whose account is gone are left out of the page, which may then hold less than it could. Raises PostNotFound, also for a post that the viewer may not see."""

    viewer_contexts: ViewerContexts
    posts: PostsReader
    marks: MarksReader
    people: People

    async def __call__(
        self, viewer: UserId | None, post_id: PostId, mark: Mark, window: Window
    ) -> Page[AuthorCard]:
        viewer_context = await self.viewer_contexts.of(viewer)
        if await self.posts.post(post_id, viewer_context) is None:
            raise PostNotFound("no such post")
        found = page(
            await self.marks.people(mark, post_id, window, viewer_context),
            window,
            lambda one: one.mark,
            newest_first=True,
        )
        cards = await self.people.cards({one.user for one in found.items})
        shown = [card for one in found.items if (card := cards.get(one.user))]
        return Page(shown, found.next, found.prev)


@dataclass(frozen=True, slots=True)
class ListMarked:
    """The posts that a user likes or has bookmarked, what was marked last first."""

    viewer_contexts: ViewerContexts
    marks: MarksReader
    present: Present

    async def __call__(self, user: UserId, mark: Mark, window: Window) -> Page[SeenPost]:
        rows = await self.marks.posts(mark, user, window, await self.viewer_contexts.of(user))
        return await _presented(self.present, rows, window, user)


@dataclass(frozen=True, slots=True)
class ListPinned:
    """The posts that an author pinned, the last first. Raises UserNotFound."""

    viewer_contexts: ViewerContexts
    marks: MarksReader
    people: People
    present: Present

    async def __call__(self, viewer: UserId | None, author: UserId, window: Window) -> Page[SeenPost]:
        if not await self.people.cards([author]):
            raise UserNotFound("no such user")
        rows = await self.marks.pinned(author, window, await self.viewer_contexts.of(viewer))
        return await _presented(self.present, rows, window, viewer)


async def _presented(
    present: Present, rows: Sequence[Marked], window: Window, viewer: UserId | None
) -> Page[SeenPost]:
    """A page of posts, in the order of their marks."""
    found = page(rows, window, lambda one: one.mark, newest_first=True)
    seen = await present([one.row for one in found.items], viewer)
    return Page(seen, found.next, found.prev)
