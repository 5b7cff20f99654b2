"""The hot reads: each reads for one viewer, and presents, what a target of `hot_targets` asks for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from application.posts.queries import HydratedPost
from application.shared.paging import Page, Window
from domain.shared import PostId, UserId
from entrypoints.access.authentication import TokenMissing
from entrypoints.http.fragments import Fragments
from entrypoints.http.hot_targets import HOME, POST, Target
from entrypoints.http.paging import Pager, tagged_page
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
    read_home_feed: Callable[[UserId, Window], Awaitable[Page[HydratedPost]]]
    fragments: Fragments
    pager: Pager

    def by_template(self) -> Mapping[str, HotRead]:
        return {POST: self._post, HOME: self._home}

    async def _post(self, viewer: UserId | None, target: Target, _path: str) -> Shown:
        hydrated = await self.read_post(viewer, PostId(int(target.of)))
        return Shown(with_tag(self.fragments(hydrated), hydrated.post.state.version), (hydrated,))

    async def _home(self, viewer: UserId | None, target: Target, path: str) -> Shown:
        if viewer is None:
            raise TokenMissing("this needs an access token")
        return self._page(path, await self.read_home_feed(viewer, Window(target.limit)))

    def _page(self, path: str, page: Page[HydratedPost]) -> Shown:
        items = self.fragments.all(page.items)
        return Shown(tagged_page(self.pager.ready(path, {}, page, items), items, page), page.items)
