"""Likes, reposts, bookmarks and pins."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from adapters.memory.paging import window_of
from adapters.memory.posts.reading import is_visible, visible_view
from adapters.memory.store import Draft, Store
from application.posts.ports import EngagedPost, EngagedUser
from application.shared.paging import Window
from domain.posts import Engagement, Post, with_engagement_counted
from domain.shared import PostId, UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class StoredEngagement:
    id: int
    post_id: PostId
    user_id: UserId


def table(engagement: Engagement) -> str:
    return f"{engagement}s"


@dataclass(frozen=True, slots=True)
class MemoryEngagements:
    rows: Draft

    async def add(self, engagement: Engagement, post_id: PostId, user_id: UserId, engagement_id: int) -> bool:
        if self.rows.get(table(engagement), (post_id, user_id)) is not None:
            return False
        self.rows.put(
            table(engagement), (post_id, user_id), StoredEngagement(engagement_id, post_id, user_id)
        )
        self._count(engagement, post_id, 1)
        return True

    async def remove(self, engagement: Engagement, post_id: PostId, user_id: UserId) -> int | None:
        stored: StoredEngagement | None = self.rows.get(table(engagement), (post_id, user_id))
        if stored is None:
            return None
        self.rows.delete(table(engagement), (post_id, user_id))
        self._count(engagement, post_id, -1)
        return stored.id

    async def of_user(self, post_id: PostId, user_id: UserId) -> frozenset[Engagement]:
        return frozenset(
            engagement for engagement in Engagement if self.rows.get(table(engagement), (post_id, user_id))
        )

    async def count_bookmarks(self, user_id: UserId) -> int:
        return sum(stored.user_id == user_id for stored in self.rows.all(table(Engagement.BOOKMARK)))

    async def remove_bookmarks_of_deleted_posts(self, user_id: UserId) -> None:
        for stored in [*self.rows.all(table(Engagement.BOOKMARK))]:
            if stored.user_id == user_id and self.rows.get("posts", stored.post_id).deleted:
                self.rows.delete(table(Engagement.BOOKMARK), (stored.post_id, user_id))

    async def set_pin(self, post_id: PostId, pin: int | None) -> None:
        self.rows.put("posts", post_id, replace(self.rows.get("posts", post_id), pin=pin))

    async def count_pins(self, author: UserId) -> int:
        return sum(post.author == author and post.pin is not None for post in self.rows.all("posts"))

    async def erase_user(self, user_id: UserId, limit: int) -> int:
        mine = [
            (engagement, stored) for engagement in Engagement for stored in self.rows.all(table(engagement))
        ]
        mine = [(engagement, stored) for engagement, stored in mine if stored.user_id == user_id][:limit]
        for engagement, stored in mine:
            await self.remove(engagement, stored.post_id, user_id)
        return len(mine)

    def _count(self, engagement: Engagement, post_id: PostId, change: int) -> None:
        self.rows.put(
            "posts", post_id, with_engagement_counted(self.rows.get("posts", post_id), engagement, change)
        )


@dataclass(frozen=True, slots=True)
class MemoryEngagementsReader:
    store: Store

    async def users(
        self, engagement: Engagement, post_id: PostId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedUser]:
        hidden = viewer_context.blocked | viewer_context.muted
        on_it = (
            EngagedUser(stored.id, stored.user_id)
            for stored in self.store.all(table(engagement))
            if stored.post_id == post_id and stored.user_id not in hidden
        )
        return window_of(on_it, window, lambda one: one.position, newest_first=True)

    async def posts(
        self, engagement: Engagement, user_id: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedPost]:
        mine = (
            (stored.id, self.store.get("posts", stored.post_id))
            for stored in self.store.all(table(engagement))
            if stored.user_id == user_id
        )
        return self._page(mine, window, viewer_context)

    async def pinned(
        self, author: UserId, window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedPost]:
        mine = ((post.pin, post) for post in self.store.all("posts") if post.author == author and post.pin)
        return self._page(mine, window, viewer_context)

    async def involved(self, post_id: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        marked = (
            stored.user_id
            for engagement in (Engagement.LIKE, Engagement.REPOST)
            for stored in self.store.all(table(engagement))
            if stored.post_id == post_id
        )
        answered = (
            post.author for post in self.store.all("posts") if post.reply_to == post_id and not post.deleted
        )
        return sorted({user for user in (*marked, *answered) if user > after})[:limit]

    def _page(
        self, listed: Iterable[tuple[int, Post]], window: Window, viewer_context: ViewerContext
    ) -> Sequence[EngagedPost]:
        visible = (
            EngagedPost(position, visible_view(self.store, post, viewer_context))
            for position, post in listed
            if is_visible(self.store, post, viewer_context)
        )
        return window_of(visible, window, lambda one: one.position, newest_first=True)
