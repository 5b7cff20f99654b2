"""Hydrates feed entries: the database decides each time who may see their posts, the content is cached."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from application.posts.ports import AuthorDirectory
from application.posts.queries import HydratedPost
from application.posts.views import PostContent, PostState, PostView
from application.shared.events import PostDeleted
from application.shared.feed_entries import FeedEntry
from application.shared.records import maker
from domain.posts import can_view
from domain.shared import EventId, PostId, UserId, ViewerContext

MAX_CONTENTS = 20_000
MAX_BYTES = 32 * 1024 * 1024
"""Of the cached texts, with the overhead of each entry."""
_OVERHEAD = 600
_PER_ENTITY = 250


class PostPartsReader(Protocol):
    """Reads posts in two parts, outside of transactions, whoever may see them: the caller decides that."""

    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[PostState]:
        """The current states of those posts that exist, deleted ones too, in any order. `ids` has no duplicates."""
        ...

    async def contents(self, ids: Collection[PostId]) -> Mapping[PostId, PostContent]:
        """The current contents. A post may have changed since its state was read."""
        ...


@dataclass(slots=True)
class ContentCache:
    """The contents that were read last, bounded by their number and by their size.

    Reads do not refresh an entry: content that is still in use when it is evicted is read once more.
    """

    capacity: int = MAX_CONTENTS
    max_bytes: int = MAX_BYTES
    bytes: int = 0
    _entries: OrderedDict[PostId, tuple[PostContent, int]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, state: PostState) -> PostContent | None:
        if (cached := self._entries.get(state.id)) is None:
            return None
        content, _cost = cached
        # `belongs_to`, without a call: a page gets two dozen contents.
        if content.version == state.version and content.revision == state.content_revision:
            return content
        return None

    def put(self, post_id: PostId, content: PostContent) -> None:
        self._remove(post_id)
        # Four bytes to a character: as much as a text can take.
        characters = len(content.text) + len(content.content_warning)
        cost = _OVERHEAD + 4 * characters + _PER_ENTITY * len(content.entities)
        self._entries[post_id] = content, cost
        self.bytes += cost
        while self.bytes > self.max_bytes or len(self._entries) > self.capacity:
            _, (_, freed) = self._entries.popitem(last=False)
            self.bytes -= freed

    def _remove(self, post_id: PostId) -> None:
        if (cached := self._entries.pop(post_id, None)) is not None:
            self.bytes -= cached[1]

    async def forget(self, event: PostDeleted, _event_id: EventId) -> None:
        """Drop the content of a deleted post. Its state keeps everybody from seeing it already; this keeps the text
        from staying in memory longer than needed."""
        self._remove(PostId(event.post_id))


@dataclass(frozen=True, slots=True)
class ReadPostViews:
    """The posts with these ids that `viewer_context` may see."""

    parts: PostPartsReader
    cache: ContentCache

    async def __call__(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> dict[PostId, PostView]:
        views, changed = await self._read(ids, viewer_context)
        if changed:  # edited between the two queries: read state and content again
            again, _ = await self._read(changed, viewer_context)
            views.update(again)
        return views

    async def _read(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> tuple[dict[PostId, PostView], list[PostId]]:
        """The views, and the ids of the posts whose content is of another version than their state."""
        if not ids:
            return {}, []
        views: dict[PostId, PostView] = {}
        missing: list[PostState] = []
        for state in await self.parts.states(ids, viewer_context.viewer):
            if can_view(state, viewer_context):
                if (content := self.cache.get(state)) is not None:
                    views[state.id] = _make_view((state, content))
                else:
                    missing.append(state)
        if not missing:
            return views, []
        contents = await self.parts.contents([state.id for state in missing])
        changed: list[PostId] = []
        for state in missing:
            content = contents.get(state.id)
            if content is not None and content.belongs_to(state):
                self.cache.put(state.id, content)
                views[state.id] = _make_view((state, content))
            else:
                changed.append(state.id)
        return views, changed


@dataclass(frozen=True, slots=True)
class HydrateEntries:
    """The posts of feed entries that `viewer_context` may see now, by the ids of the entries.

    A repost is also left out if the viewer and the reposter are blocked either way.
    """

    read_post_views: ReadPostViews
    people: AuthorDirectory

    async def __call__(
        self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]
    ) -> Mapping[int, HydratedPost]:
        views = await self.read_post_views({post for _id, post, _by in entries}, viewer_context)
        viewer, blocked = viewer_context.viewer, viewer_context.blocked
        visible = []
        people: set[UserId] = set()
        for id_, post_id, by in entries:
            if (view := views.get(post_id)) is not None and by not in blocked:
                state = view.state
                author_id, mentioned = state.author, state.mentioned
                visible.append((id_, view, author_id, mentioned, by if id_ != post_id else None))
                people.update((by, author_id), mentioned)
        cards = await self.people.cards(people)
        hydrated: dict[int, HydratedPost] = {}
        for id_, view, author_id, mentioned, reposter in visible:
            author = cards.get(author_id)
            reposted_by = None if reposter is None else cards.get(reposter)
            if author is None or (reposted_by is None and reposter is not None):
                continue  # the account was deleted a moment ago
            mentions = [cards[user] for user in mentioned if user in cards] if mentioned else ()
            hydrated[id_] = _make_hydrated((view, author, mentions, viewer, reposted_by))
        return hydrated


_make_view, _make_hydrated = maker(PostView), maker(HydratedPost)
