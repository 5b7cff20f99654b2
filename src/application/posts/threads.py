"""What stands above and below a post."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from application.posts.ports import PostsReader, Tombstone
from application.posts.queries import Present, SeenPost
from application.posts.rows import PostRow
from application.shared.paging import Page, Window, page
from application.shared.ports import ViewerContexts
from domain.posts import PostNotFound
from domain.shared import PostId, UserId, ViewerContext

MAX_ANCESTORS = 100
MAX_DESCENDANTS = 200
"""Of one context, however deep they are. A chain of so many takes as many queries, one for each level: 20 ms of
SQLite."""
MAX_EACH = 20
"""How many answers to one comment a context holds; of those to the post itself it holds as many as there is room for."""
MAX_DEPTH = 5
ANSWERS_EACH = 5
MAX_NODES = 500
"""How many comments one tree holds; what is not opened in it says where to go on."""

Place: TypeAlias = SeenPost | Tombstone
_Row: TypeAlias = PostRow | Tombstone


@dataclass(frozen=True, slots=True)
class Answers:
    """The first answers to a comment."""

    items: "Sequence[Comment]"
    next: Window | None
    """Where the list of its answers goes on."""


@dataclass(frozen=True, slots=True)
class Comment:
    place: Place
    answers: Answers | None = None
    """None where no tree is asked for."""


@dataclass(frozen=True, slots=True)
class Context:
    ancestors: Sequence[Place]
    """Oldest first; the first answers nothing, unless some are left out."""
    more_ancestors: bool
    descendants: Sequence[Place]
    """Level by level, hence each after what it answers; a level is ordered by id."""
    more_descendants: bool


@dataclass(frozen=True, slots=True)
class PresentPlaces:
    """Joins posts with the names of their people, and leaves tombstones as they are. A post whose author
    is not known any more is left out."""

    present: Present

    async def __call__(self, rows: Iterable[_Row], viewer: UserId | None) -> dict[PostId, Place]:
        places: dict[PostId, Place] = {row.id: row for row in rows if isinstance(row, Tombstone)}
        seen = await self.present([row for row in rows if isinstance(row, PostRow)], viewer)
        return places | {post.row.id: post for post in seen}


@dataclass(frozen=True, slots=True)
class ListComments:
    """The answers to a post, oldest first, and with a `depth` above 1 the first answers to each, and to
    those. Raises PostNotFound, also for a post that the viewer may not see, whatever its comments are."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    present: Present

    async def __call__(
        self, viewer: UserId | None, post_id: PostId, window: Window, depth: int = 1
    ) -> Page[Comment]:
        viewer_context = await self.viewer_contexts.of(viewer)
        if not (await self.reader.post(post_id, viewer_context) or await self.reader.tombstone(post_id)):
            raise PostNotFound("no such post")
        rows = await self.reader.comments(post_id, window, viewer_context)
        found = page(rows, window, lambda row: row.id, newest_first=False)
        below: dict[PostId, _Below] = {}
        if depth > 1:
            below = await self._below(found.items, depth, viewer_context)
        every = [*found.items, *(row for answers in below.values() for row in answers.rows)]
        places = await PresentPlaces(self.present)(every, viewer)
        items = _comments(found.items, places, below)
        return Page(items, found.next, found.prev)

    async def _below(
        self, top: Sequence[_Row], depth: int, viewer_context: ViewerContext
    ) -> dict[PostId, "_Below"]:
        """What is opened below the rows of the top level, asked for level by level."""
        below: dict[PostId, _Below] = {}
        level, room, closed = top, MAX_NODES - len(top), list[PostId]()
        for _ in range(depth - 1):
            answers: dict[PostId, list[_Row]] = {row.id: [] for row in level[:room]}
            closed += [row.id for row in level[room:]]
            if answers:
                each = ANSWERS_EACH + 1
                for row in await self.reader.answers(
                    list(answers), each, each * len(answers), viewer_context
                ):
                    answers[_above(row)].append(row)
            level = []
            for above, rows in answers.items():
                shown = rows[: min(ANSWERS_EACH, room)]
                room -= len(shown)
                level += shown
                below[above] = _Below(shown, _after(shown) if len(rows) > len(shown) else None)
        closed += [row.id for row in level]
        answered = await self.reader.answered(closed, viewer_context) if closed else ()
        return below | {id_: _Below([], _after([]) if id_ in answered else None) for id_ in closed}


def _above(row: _Row) -> PostId:
    if row.reply_to is None:
        raise ValueError("an answer answers something")
    return row.reply_to


def _after(rows: Sequence[_Row]) -> Window:
    return Window(ANSWERS_EACH, rows[-1].id if rows else None)


@dataclass(frozen=True, slots=True)
class _Below:
    rows: Sequence[_Row]
    next: Window | None


def _comments(
    rows: Sequence[_Row], places: Mapping[PostId, Place], below: Mapping[PostId, _Below]
) -> list[Comment]:
    comments: list[Comment] = []
    for row in rows:
        if (place := places.get(row.id)) is not None:
            opened = below.get(row.id)
            if opened is None:
                comments.append(Comment(place))
            else:
                answers = Answers(_comments(opened.rows, places, below), opened.next)
                comments.append(Comment(place, answers))
    return comments


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The posts above a post and below it. One above that is deleted, or that the viewer may not see, is
    a tombstone, and it cannot be told which of the two it is. Raises PostNotFound."""

    viewer_contexts: ViewerContexts
    reader: PostsReader
    present: Present

    async def __call__(self, viewer: UserId | None, post_id: PostId) -> Context:
        viewer_context = await self.viewer_contexts.of(viewer)
        post = await self.reader.post(post_id, viewer_context)
        if post is None:
            raise PostNotFound("no such post")
        above = await self.reader.ancestors(post_id, MAX_ANCESTORS + 1) if post.reply_to else ()
        kept = above[:MAX_ANCESTORS]
        stones = {place.id: place for place in kept}
        visible = await self.reader.by_ids([place.id for place in kept], viewer_context) if kept else {}
        ancestors: list[_Row] = [visible.get(place.id, place) for place in reversed(kept)]
        descendants, more = await self._descendants(post, viewer_context)
        places = await PresentPlaces(self.present)([*ancestors, *descendants], viewer)
        return Context(
            [places.get(row.id, stones[row.id]) for row in ancestors],
            len(above) > len(kept),
            [places[row.id] for row in descendants if row.id in places],
            more,
        )

    async def _descendants(self, post: PostRow, viewer_context: ViewerContext) -> tuple[list[_Row], bool]:
        found: list[_Row] = []
        level, each, more = [post.id], MAX_DESCENDANTS, False
        while True:
            room = MAX_DESCENDANTS - len(found)
            # One more to each post and one more in all, to know whether there are more.
            rows = await self.reader.answers(level, each + 1, room + len(level) + 1, viewer_context)
            if not rows:
                return found, more
            counted = Counter[PostId]()
            kept: list[_Row] = []
            for row in rows:
                counted[_above(row)] += 1
                if counted[_above(row)] <= each:
                    kept.append(row)
            found += kept[:room]
            if len(kept) > room:
                return found, True
            more = more or len(kept) < len(rows)
            level, each = [row.id for row in kept], MAX_EACH
