"""Feed entries: the posts and reposts that may be in a feed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from adapters.memory.paging import window_of
from adapters.memory.posts.authors import with_author_state
from adapters.memory.posts.engagements import table
from adapters.memory.store import Store
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from domain.posts import AuthorState, Engagement, Post, Visibility, can_view, hashtags, open_post_of
from domain.shared import PostId, UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class MemoryEntries:
    store: Store

    async def by_sources(
        self, sources: Collection[UserId], window: Window, last: int | None = None
    ) -> Sequence[FeedEntry]:
        published = (
            _entry(post)
            for post in self.store.all("posts")
            if post.author in sources and post.reply_to is None and not post.deleted
        )
        reposted = (
            FeedEntry(engagement.id, engagement.post_id, engagement.user_id)
            for engagement in self.store.all(table(Engagement.REPOST))
            if engagement.user_id in sources
        )
        found = _nearest([*published, *reposted], window)
        if last is None:
            return found
        return [entry for entry in found if (entry.id <= last if window.back else entry.id >= last)]

    async def public(self, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        public = self._public_posts(viewer_context)
        return _nearest((_entry(post) for post in public if post.reply_to is None), window)

    async def tagged(self, tag: str, window: Window, viewer_context: ViewerContext) -> Sequence[FeedEntry]:
        public = self._public_posts(viewer_context)
        return _nearest((_entry(post) for post in public if tag in hashtags(post.entities)), window)

    async def first_reposts(
        self, posts: Collection[PostId], sources: Collection[UserId]
    ) -> Mapping[PostId, int]:
        first: dict[PostId, int] = {}
        for engagement in self.store.all(table(Engagement.REPOST)):
            if engagement.post_id in posts and engagement.user_id in sources:
                first[engagement.post_id] = min(engagement.id, first.get(engagement.post_id, engagement.id))
        return first

    async def shows_reposts(self, user: UserId, viewer_context: ViewerContext) -> bool:
        return can_view(with_author_state(self.store, open_post_of(user, AuthorState.PUBLIC)), viewer_context)

    def _public_posts(self, viewer_context: ViewerContext) -> Iterable[Post]:
        return (
            post
            for post in self.store.all("posts")
            if post.visibility is Visibility.PUBLIC
            and not post.deleted
            and with_author_state(self.store, post).author_state is AuthorState.PUBLIC
            and post.author not in viewer_context.blocked
            and post.author not in viewer_context.muted
        )


def _entry(post: Post) -> FeedEntry:
    return FeedEntry(post.id, post.id, post.author)


def _nearest(entries: Iterable[FeedEntry], window: Window) -> Sequence[FeedEntry]:
    found = window_of(entries, window, lambda entry: entry.id, newest_first=True)
    return found[-window.limit :] if window.back else found[: window.limit]
