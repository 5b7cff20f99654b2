"""Reading posts, outside of transactions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from adapters.memory.paging import window_of
from adapters.memory.posts.authors import with_author_state
from adapters.memory.posts.parts import view_of
from adapters.memory.store import Rows, Store
from application.posts.ports import PostVersion, Tombstone
from application.posts.views import PostView
from application.shared.paging import Window
from domain.posts import Post, can_view
from domain.shared import PostId, UserId, ViewerContext

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MemoryPostsReader:
    store: Store

    async def post(self, post_id: PostId, viewer_context: ViewerContext) -> PostView | None:
        post: Post | None = self.store.get("posts", post_id)
        return (
            visible_view(self.store, post, viewer_context)
            if post and is_visible(self.store, post, viewer_context)
            else None
        )

    async def by_author(
        self, author: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostView]:
        mine = (post for post in self.store.all("posts") if post.author == author and post.reply_to is None)
        return self._page(mine, window, viewer_context, newest_first=True)

    async def by_ids(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> Mapping[PostId, PostView]:
        found = [await self.post(id_, viewer_context) for id_ in ids]
        return {post.id: post for post in found if post is not None}

    async def comments(
        self, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostView | Tombstone]:
        listed = [
            post
            for post in self.store.all("posts")
            if post.reply_to == post_id and (self._listed(post, viewer_context) or post.shown_as_tombstone)
        ]
        return [
            self._place(post, viewer_context)
            for post in window_of(listed, window, lambda post: post.id, newest_first=False)
        ]

    def _listed(self, post: Post, viewer_context: ViewerContext) -> bool:
        return post.author not in viewer_context.muted and is_visible(self.store, post, viewer_context)

    async def tombstone(self, post_id: PostId) -> Tombstone | None:
        post: Post | None = self.store.get("posts", post_id)
        return Tombstone(post.id, post.reply_to) if post and post.shown_as_tombstone else None

    async def replies(
        self, ids: Collection[PostId], each: int, limit: int, viewer_context: ViewerContext
    ) -> Sequence[PostView | Tombstone]:
        first = [
            place for id_ in ids for place in (await self.comments(id_, Window(each), viewer_context))[:each]
        ]
        return sorted(first, key=lambda place: place.id)[:limit]

    async def with_replies(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> Collection[PostId]:
        return {id_ for id_ in ids if await self.comments(id_, Window(1), viewer_context)}

    async def ancestors(self, post_id: PostId, limit: int) -> Sequence[Tombstone]:
        above: list[Tombstone] = []
        post: Post = self.store.get("posts", post_id)
        while post.reply_to is not None and len(above) < limit:
            post = self.store.get("posts", post.reply_to)
            above.append(Tombstone(post.id, post.reply_to))
        return above

    async def versions(
        self, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostVersion]:
        post: Post | None = self.store.get("posts", post_id)
        if post is None or not is_visible(self.store, post, viewer_context):
            return []
        every = [*(self.store.get("post_edits", post_id) or ()), post]
        versions = [
            PostVersion(
                post.version,
                post.text,
                post.content_warning,
                post.language,
                post.edited_at or post.created_at,
                post.entities,
            )
            for post in every
        ]
        return window_of(versions, window, lambda version: version.version, newest_first=False)

    def _page(
        self, posts: Iterable[Post], window: Window, viewer_context: ViewerContext, *, newest_first: bool
    ) -> Sequence[PostView]:
        views = (
            visible_view(self.store, post, viewer_context)
            for post in posts
            if is_visible(self.store, post, viewer_context)
        )
        return window_of(views, window, lambda view: view.id, newest_first=newest_first)

    def _place(self, post: Post, viewer_context: ViewerContext) -> PostView | Tombstone:
        return (
            Tombstone(post.id, post.reply_to)
            if post.deleted
            else visible_view(self.store, post, viewer_context)
        )


def is_visible(rows: Rows, post: Post, viewer_context: ViewerContext) -> bool:
    return can_view(with_author_state(rows, post), viewer_context)


def visible_view(rows: Rows, post: Post, viewer_context: ViewerContext) -> PostView:
    return view_of(rows, post, viewer_context.viewer)
