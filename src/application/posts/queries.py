"""The queries of posts: one post, several, those of an author, and the history of one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from application.posts.ports import AuthorDirectory, PostsReader, PostVersion
from application.posts.views import PostView
from application.shared.paging import Page, Window, page
from application.shared.people import AuthorCard
from application.shared.ports import ViewerContexts
from domain.dataclasses import dataclass
from domain.posts import PostNotFound
from domain.shared import PostId, UserId, UserNotFound


class HydratedPost(NamedTuple):
    """A post as its viewer gets it, with the names of its people."""

    post: PostView
    author: AuthorCard
    mentions: Sequence[AuthorCard]
    viewer: UserId | None
    reposted_by: AuthorCard | None = None
    """The user whose repost brought the post into a feed."""


@dataclass(frozen=True, slots=True)
class HydratePosts:
    """Joins the views of posts with the cards of their people, which it reads once per page.

    A post whose author has no card is left out: the account was deleted a moment ago. So a page may be
    short without being the last one.
    """

    people: AuthorDirectory

    async def __call__(self, posts: Sequence[PostView], viewer: UserId | None) -> list[HydratedPost]:
        ids = {post.author for post in posts}
        for post in posts:
            ids.update(post.state.mentioned)
        cards = await self.people.cards(ids)
        return [self._hydrated(post, cards, viewer) for post in posts if post.author in cards]

    async def page(
        self, posts: Sequence[PostView], window: Window, viewer: UserId | None, *, newest_first: bool
    ) -> Page[HydratedPost]:
        """The page of the posts that a reader returned for `window`: up to `limit + 1` of them."""
        found = page(posts, window, lambda post: post.id, newest_first=newest_first)
        return Page(await self(found.items, viewer), found.next, found.prev)

    @staticmethod
    def _hydrated(post: PostView, cards: Mapping[UserId, AuthorCard], viewer: UserId | None) -> HydratedPost:
        mentions = [cards[user] for user in post.state.mentioned if user in cards]
        return HydratedPost(post, cards[post.author], mentions, viewer)


@dataclass(frozen=True, slots=True)
class ReadPost:
    """One post. Raises PostNotFound, also if the viewer may not see it."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    hydrate: HydratePosts

    async def __call__(self, viewer: UserId | None, post_id: PostId) -> HydratedPost:
        post = await self.reader.post(post_id, await self.viewer_contexts.of(viewer))
        if post is None:
            raise PostNotFound("no such post")
        hydrated = await self.hydrate([post], viewer)
        if not hydrated:
            raise PostNotFound("no such post")
        return hydrated[0]


@dataclass(frozen=True, slots=True)
class ListByAuthor:
    """The posts of a user without comments, newest first. Raises UserNotFound."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    people: AuthorDirectory
    hydrate: HydratePosts

    async def __call__(self, viewer: UserId | None, author: UserId, window: Window) -> Page[HydratedPost]:
        if not await self.people.cards([author]):
            raise UserNotFound("no such user")
        posts = await self.reader.by_author(author, window, await self.viewer_contexts.of(viewer))
        return await self.hydrate.page(posts, window, viewer, newest_first=True)


@dataclass(frozen=True, slots=True)
class ReadPosts:
    """Several posts at once, in the order of the ids, each once. Posts that the viewer may not see are left
    out, as are those that do not exist."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    hydrate: HydratePosts

    async def __call__(self, viewer: UserId | None, ids: Sequence[PostId]) -> list[HydratedPost]:
        wanted = list(dict.fromkeys(ids))
        posts = await self.reader.by_ids(wanted, await self.viewer_contexts.of(viewer))
        return await self.hydrate([posts[id_] for id_ in wanted if id_ in posts], viewer)


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """The versions of a post, oldest first, the current one last. Raises PostNotFound, also if the viewer may not see
    the post."""

    viewer_contexts: ViewerContexts
    reader: PostsReader

    async def __call__(self, viewer: UserId | None, post_id: PostId, window: Window) -> Page[PostVersion]:
        viewer_context = await self.viewer_contexts.of(viewer)
        if await self.reader.post(post_id, viewer_context) is None:
            raise PostNotFound("no such post")
        versions = await self.reader.versions(post_id, window, viewer_context)
        return page(versions, window, lambda version: version.version, newest_first=False)
