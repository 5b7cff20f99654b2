"""Searching posts and hashtags."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.memory.paging import window_of
from adapters.memory.posts.authors import with_author_state
from adapters.memory.store import Store
from application.posts.searching import COUNTED, FoundTag, TagWindow
from application.shared.paging import Window
from domain.posts import AuthorState, Post, Visibility, hashtags
from domain.posts.searching import PostQuery, by, plain_tag, searchable, tag_key, tagged
from domain.shared import PostId, UserId, ViewerContext


@dataclass(frozen=True, slots=True)
class MemorySearch:
    store: Store

    async def posts(
        self, query: PostQuery, authors: Sequence[UserId], window: Window, viewer_context: ViewerContext
    ) -> Sequence[PostId]:
        terms = {*map(by, authors), *map(tagged, query.tags)}

        def is_found(post: Post) -> bool:
            if not self._is_own(post, viewer_context) and not self._is_public(post, viewer_context):
                return False
            words = searchable(post)
            return terms.issubset(words) and all(phrase.occurs_in(words) for phrase in query.phrases)

        found = (post.id for post in self.store.all("posts") if is_found(post))
        return window_of(found, window, lambda id_: id_, newest_first=True)

    async def hashtags(
        self, beginning: str, window: TagWindow, viewer_context: ViewerContext
    ) -> Sequence[FoundTag]:
        uses: dict[str, list[Post]] = {}
        for post in sorted(self.store.all("posts"), key=lambda post: post.id, reverse=True):
            for tag in hashtags(post.entities):
                uses.setdefault(tag, []).append(post)
        start, edge = plain_tag(beginning), tag_key(window.edge or "")
        found = [
            FoundTag(tag, count)
            for tag, posts in sorted(uses.items(), key=lambda use: tag_key(use[0]), reverse=window.back)
            if tag_key(tag).startswith(start)
            and (window.edge is None or (tag_key(tag) < edge if window.back else tag_key(tag) > edge))
            and (count := sum(self._is_public(post, viewer_context) for post in posts[:COUNTED]))
        ][: window.limit + 1]
        return found[::-1] if window.back else found

    def _is_own(self, post: Post, viewer_context: ViewerContext) -> bool:
        state = with_author_state(self.store, post).author_state
        return not post.deleted and post.author == viewer_context.viewer and state is not AuthorState.DELETED

    def _is_public(self, post: Post, viewer_context: ViewerContext) -> bool:
        return (
            not post.deleted
            and post.visibility is Visibility.PUBLIC
            and post.author not in viewer_context.blocked | viewer_context.muted
            and with_author_state(self.store, post).author_state is AuthorState.PUBLIC
        )
