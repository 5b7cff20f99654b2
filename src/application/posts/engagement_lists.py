"""The lists of engagements: the users who liked or reposted a post, and the posts that a user liked, bookmarked or
pinned."""

from collections.abc import Sequence

from application.posts.ports import AuthorDirectory, EngagedPost, EngagementsReader, PostsReader
from application.posts.queries import HydratedPost, HydratePosts
from application.shared.paging import Page, Window, page
from application.shared.people import AuthorCard
from application.shared.ports import ViewerContexts
from domain.dataclasses import dataclass
from domain.posts import Engagement, PostNotFound
from domain.shared import PostId, UserId, UserNotFound


@dataclass(frozen=True, slots=True)
class ListEngagedUsers:
    """The users who like or repost a post, newest first, without those whom the viewer muted and without blocked ones,
    either way. Users whose accounts are gone are left out, so a page may be short. Raises PostNotFound, also if the
    viewer may not see the post."""

    viewer_contexts: ViewerContexts
    posts: PostsReader
    engagements: EngagementsReader
    people: AuthorDirectory

    async def __call__(
        self, viewer: UserId | None, post_id: PostId, engagement: Engagement, window: Window
    ) -> Page[AuthorCard]:
        viewer_context = await self.viewer_contexts.of(viewer)
        if await self.posts.post(post_id, viewer_context) is None:
            raise PostNotFound("no such post")
        found = page(
            await self.engagements.users(engagement, post_id, window, viewer_context),
            window,
            lambda one: one.position,
            newest_first=True,
        )
        cards = await self.people.cards({one.user for one in found.items})
        existing = [card for one in found.items if (card := cards.get(one.user))]
        return Page(existing, found.next, found.prev)


@dataclass(frozen=True, slots=True)
class ListEngagedPosts:
    """The posts that a user has liked, reposted or bookmarked, the last one first."""

    viewer_contexts: ViewerContexts
    engagements: EngagementsReader
    hydrate: HydratePosts

    async def __call__(self, user: UserId, engagement: Engagement, window: Window) -> Page[HydratedPost]:
        posts = await self.engagements.posts(engagement, user, window, await self.viewer_contexts.of(user))
        return await _hydrated(self.hydrate, posts, window, user)


@dataclass(frozen=True, slots=True)
class ListPinned:
    """The posts that an author pinned, the last one first. Raises UserNotFound."""

    viewer_contexts: ViewerContexts
    engagements: EngagementsReader
    people: AuthorDirectory
    hydrate: HydratePosts

    async def __call__(self, viewer: UserId | None, author: UserId, window: Window) -> Page[HydratedPost]:
        if not await self.people.cards([author]):
            raise UserNotFound("no such user")
        posts = await self.engagements.pinned(author, window, await self.viewer_contexts.of(viewer))
        return await _hydrated(self.hydrate, posts, window, viewer)


async def _hydrated(
    hydrate: HydratePosts, posts: Sequence[EngagedPost], window: Window, viewer: UserId | None
) -> Page[HydratedPost]:
    """A page of posts, in the order of their positions."""
    found = page(posts, window, lambda one: one.position, newest_first=True)
    hydrated = await hydrate([one.post for one in found.items], viewer)
    return Page(hydrated, found.next, found.prev)
