"""Threads: the comments on a post, and the posts above and below it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from application.posts.ports import PostsReader, Tombstone
from application.posts.queries import HydratedPost, HydratePosts
from application.posts.views import PostView
from application.shared.paging import Page, Window, page
from application.shared.ports import ViewerContexts
from domain.dataclasses import dataclass
from domain.posts import PostNotFound
from domain.shared import PostId, UserId, ViewerContext

MAX_ANCESTORS = 100
MAX_DESCENDANTS = 200
"""In one context, however deep they are. A chain of so many takes as many queries, one for each level: 20 ms on
SQLite."""
MAX_EACH = 20
"""The most replies to one comment in a context. Replies to the post itself are limited by MAX_DESCENDANTS only."""
MAX_DEPTH = 5
REPLIES_EACH = 5
MAX_NODES = 500
"""The most comments in one tree. A comment that is not opened has a cursor with which its replies can be listed."""

ThreadItem: TypeAlias = HydratedPost | Tombstone
_Place: TypeAlias = PostView | Tombstone


@dataclass(frozen=True, slots=True)
class Replies:
    """The first replies to a comment."""

    items: "Sequence[Comment]"
    next: Window | None
    """The window with which the list of replies goes on; None at its end."""


@dataclass(frozen=True, slots=True)
class Comment:
    item: ThreadItem
    replies: Replies | None = None
    """None if no tree was asked for."""


@dataclass(frozen=True, slots=True)
class ThreadContext:
    ancestors: Sequence[ThreadItem]
    """Oldest first. The first one replies to no other post, unless `more_ancestors`."""
    more_ancestors: bool
    descendants: Sequence[ThreadItem]
    """Level by level, so each comes after the post that it replies to; a level is ordered by id."""
    more_descendants: bool


@dataclass(frozen=True, slots=True)
class HydrateThreadItems:
    """Hydrates posts, and leaves tombstones as they are. A post whose author has no account any more is left out."""

    hydrate: HydratePosts

    async def __call__(self, places: Iterable[_Place], viewer: UserId | None) -> dict[PostId, ThreadItem]:
        items: dict[PostId, ThreadItem] = {
            place.id: place for place in places if isinstance(place, Tombstone)
        }
        hydrated = await self.hydrate([place for place in places if isinstance(place, PostView)], viewer)
        return items | {one.post.id: one for one in hydrated}


@dataclass(frozen=True, slots=True)
class ListComments:
    """The replies to a post, oldest first. With a `depth` above 1, each has its own first replies, down to that level.
    Raises PostNotFound, also if the viewer may not see the post, whatever its comments are."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    hydrate: HydratePosts

    async def __call__(
        self, viewer: UserId | None, post_id: PostId, window: Window, depth: int = 1
    ) -> Page[Comment]:
        viewer_context = await self.viewer_contexts.of(viewer)
        if not (await self.reader.post(post_id, viewer_context) or await self.reader.tombstone(post_id)):
            raise PostNotFound("no such post")
        places = await self.reader.comments(post_id, window, viewer_context)
        found = page(places, window, lambda place: place.id, newest_first=False)
        below: dict[PostId, _Below] = {}
        if depth > 1:
            below = await self._below(found.items, depth, viewer_context)
        every = [*found.items, *(place for replies in below.values() for place in replies.places)]
        items = await HydrateThreadItems(self.hydrate)(every, viewer)
        return Page(_comments(found.items, items, below), found.next, found.prev)

    async def _below(
        self, top: Sequence[_Place], depth: int, viewer_context: ViewerContext
    ) -> dict[PostId, "_Below"]:
        """The replies below the places of the top level, read level by level."""
        below: dict[PostId, _Below] = {}
        level, room, closed = top, MAX_NODES - len(top), list[PostId]()
        for _ in range(depth - 1):
            replies: dict[PostId, list[_Place]] = {place.id: [] for place in level[:room]}
            closed += [place.id for place in level[room:]]
            if replies:
                each = REPLIES_EACH + 1
                for place in await self.reader.replies(
                    list(replies), each, each * len(replies), viewer_context
                ):
                    replies[_id_above(place)].append(place)
            level = []
            for above, places in replies.items():
                opened = places[: min(REPLIES_EACH, room)]
                room -= len(opened)
                level += opened
                below[above] = _Below(opened, _after(opened) if len(places) > len(opened) else None)
        closed += [place.id for place in level]
        with_replies = await self.reader.with_replies(closed, viewer_context) if closed else ()
        return below | {id_: _Below([], _after([]) if id_ in with_replies else None) for id_ in closed}


def _id_above(place: _Place) -> PostId:
    if place.reply_to is None:
        raise ValueError("a reply has a post above it")
    return place.reply_to


def _after(places: Sequence[_Place]) -> Window:
    return Window(REPLIES_EACH, places[-1].id if places else None)


@dataclass(frozen=True, slots=True)
class _Below:
    places: Sequence[_Place]
    next: Window | None


def _comments(
    places: Sequence[_Place], items: Mapping[PostId, ThreadItem], below: Mapping[PostId, _Below]
) -> list[Comment]:
    comments: list[Comment] = []
    for place in places:
        if (item := items.get(place.id)) is not None:
            opened = below.get(place.id)
            if opened is None:
                comments.append(Comment(item))
            else:
                replies = Replies(_comments(opened.places, items, below), opened.next)
                comments.append(Comment(item, replies))
    return comments


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The posts above a post and below it. A post above that is deleted, or that the viewer may not see, is a
    tombstone: the two cannot be told apart. Raises PostNotFound, also if the viewer may not see the post."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    hydrate: HydratePosts

    async def __call__(self, viewer: UserId | None, post_id: PostId) -> ThreadContext:
        viewer_context = await self.viewer_contexts.of(viewer)
        post = await self.reader.post(post_id, viewer_context)
        if post is None:
            raise PostNotFound("no such post")
        above = await self.reader.ancestors(post_id, MAX_ANCESTORS + 1) if post.reply_to else ()
        kept = above[:MAX_ANCESTORS]
        tombstones = {place.id: place for place in kept}
        visible = await self.reader.by_ids([place.id for place in kept], viewer_context) if kept else {}
        ancestors: list[_Place] = [visible.get(place.id, place) for place in reversed(kept)]
        descendants, more = await self._descendants(post, viewer_context)
        items = await HydrateThreadItems(self.hydrate)([*ancestors, *descendants], viewer)
        return ThreadContext(
            [items.get(place.id, tombstones[place.id]) for place in ancestors],
            len(above) > len(kept),
            [items[place.id] for place in descendants if place.id in items],
            more,
        )

    async def _descendants(self, post: PostView, viewer_context: ViewerContext) -> tuple[list[_Place], bool]:
        """Up to MAX_DESCENDANTS of them, and whether there are more."""
        found: list[_Place] = []
        level, each, more = [post.id], MAX_DESCENDANTS, False
        while True:
            room = MAX_DESCENDANTS - len(found)
            # One more for each post, and one more in all, to learn whether there are more.
            places = await self.reader.replies(level, each + 1, room + len(level) + 1, viewer_context)
            if not places:
                return found, more
            count = Counter[PostId]()
            kept: list[_Place] = []
            for place in places:
                count[_id_above(place)] += 1
                if count[_id_above(place)] <= each:
                    kept.append(place)
            found += kept[:room]
            if len(kept) > room:
                return found, True
            more = more or len(kept) < len(places)
            level, each = [place.id for place in kept], MAX_EACH
