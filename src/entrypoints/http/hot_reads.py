"""The hot reads: each reads for one viewer, and presents, what a target of `hot_targets` asks for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from application.feeds.trending_formula import RankedTag
from application.posts.queries import HydratedPost
from application.posts.threads import Comment
from application.shared.paging import Page, Window
from domain.dataclasses import dataclass
from domain.shared import PostId, UserId
from entrypoints.access.authentication import TokenMissing
from entrypoints.http.feeds.trending import tags_of
from entrypoints.http.fragments import Fragments
from entrypoints.http.hot_targets import (
    COMMENTS,
    HASHTAG,
    HOME,
    POST,
    PUBLIC,
    TRENDING_POSTS,
    TRENDING_TAGS,
    USER_POSTS,
    Target,
)
from entrypoints.http.paging import Pager, tagged_page
from entrypoints.http.posts.threads import comments_of
from entrypoints.http.responses import Tagged, with_tag


class Shown(NamedTuple):
    response: Tagged
    posts: Sequence[HydratedPost]
    """The posts that the response shows."""


HotRead: TypeAlias = Callable[[UserId | None, Target, str], Awaitable[Shown]]
"""Given the viewer, the target and the path. Raises what the use case raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HotReads:
    read_post: Callable[[UserId | None, PostId], Awaitable[HydratedPost]]
    list_comments: Callable[[UserId | None, PostId, Window], Awaitable[Page[Comment]]]
    list_by_author: Callable[[UserId | None, UserId, Window], Awaitable[Page[HydratedPost]]]
    read_home_feed: Callable[[UserId, Window], Awaitable[Page[HydratedPost]]]
    read_public_feed: Callable[[UserId | None, Window], Awaitable[Page[HydratedPost]]]
    read_hashtag_feed: Callable[[UserId | None, str, Window], Awaitable[Page[HydratedPost]]]
    list_trending_posts: Callable[[UserId | None, Window], Awaitable[Page[HydratedPost]]]
    list_trending_tags: Callable[[Window], Awaitable[Page[RankedTag]]]
    fragments: Fragments
    pager: Pager

    def by_template(self) -> Mapping[str, HotRead]:
        return {
            POST: self._post,
            COMMENTS: self._comments,
            USER_POSTS: self._by_author,
            HOME: self._home,
            PUBLIC: self._public,
            HASHTAG: self._tagged,
            TRENDING_POSTS: self._trending_posts,
            TRENDING_TAGS: self._trending_tags,
        }

    async def _post(self, viewer: UserId | None, target: Target, _path: str) -> Shown:
        hydrated = await self.read_post(viewer, PostId(int(target.of)))
        return Shown(with_tag(self.fragments(hydrated), hydrated.post.state.version), (hydrated,))

    async def _comments(self, viewer: UserId | None, target: Target, path: str) -> Shown:
        page = await self.list_comments(viewer, PostId(int(target.of)), Window(target.limit))
        items = comments_of(page.items, self.fragments, _no_cursor)
        response = self._tagged_page(path, page, items)
        return Shown(response, [one.item for one in page.items if isinstance(one.item, HydratedPost)])

    async def _by_author(self, viewer: UserId | None, target: Target, path: str) -> Shown:
        return self._page(
            path, await self.list_by_author(viewer, UserId(int(target.of)), Window(target.limit))
        )

    async def _home(self, viewer: UserId | None, target: Target, path: str) -> Shown:
        if viewer is None:
            raise TokenMissing("this needs an access token")
        return self._page(path, await self.read_home_feed(viewer, Window(target.limit)))

    async def _public(self, viewer: UserId | None, target: Target, path: str) -> Shown:
        return self._page(path, await self.read_public_feed(viewer, Window(target.limit)))

    async def _tagged(self, viewer: UserId | None, target: Target, path: str) -> Shown:
        return self._page(path, await self.read_hashtag_feed(viewer, str(target.of), Window(target.limit)))

    async def _trending_posts(self, viewer: UserId | None, target: Target, path: str) -> Shown:
        return self._page(path, await self.list_trending_posts(viewer, Window(target.limit)))

    async def _trending_tags(self, _viewer: UserId | None, target: Target, path: str) -> Shown:
        page = await self.list_trending_tags(Window(target.limit))
        return Shown(self._tagged_page(path, page, tags_of(page.items)), ())

    def _page(self, path: str, page: Page[HydratedPost]) -> Shown:
        return Shown(self._tagged_page(path, page, self.fragments.all(page.items)), page.items)

    def _tagged_page(self, path: str, page: Page[Any], items: msgspec.Raw) -> Tagged:
        return tagged_page(self.pager.ready(path, {}, page, items), items, page)


def _no_cursor(post_id: PostId, _window: Window) -> str:
    raise ValueError(f"no replies to comment {post_id} were asked for")
