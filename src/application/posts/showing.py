"""Showing what stands at places of feeds: who sees it is asked of the database each time, its words are kept."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from application.posts.ports import People
from application.posts.queries import SeenPost
from application.posts.rows import Body, PostRow, State, joined
from application.shared.events import PostDeleted
from application.shared.feed_entries import FeedEntry
from application.shared.records import maker
from domain.posts import can_view
from domain.shared import EventId, PostId, UserId, ViewerContext

MAX_BODIES = 20_000
MAX_BYTES = 32 * 1024 * 1024
"""Of the texts that are kept, with what an entry costs beside them."""
_OVERHEAD = 600
_PER_ENTITY = 250


class PostParts(Protocol):
    """Reads posts in two parts, outside of transactions, whoever sees them: that is for the caller to decide."""

    async def states(self, ids: Collection[PostId], viewer: UserId | None) -> Sequence[State]:
        """As of now, of those that exist, the deleted too, in no order. No id is given twice."""
        ...

    async def bodies(self, ids: Collection[PostId]) -> Mapping[PostId, Body]:
        """As of now, which may be another moment than that of their states."""
        ...


@dataclass(slots=True)
class Bodies:
    """The words that were read last, bounded by their number and by their size. Which of them were asked for since
    is not noted: what is still asked for when it goes is read once more."""

    capacity: int = MAX_BODIES
    max_bytes: int = MAX_BYTES
    bytes: int = 0
    _kept: OrderedDict[PostId, tuple[Body, int]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, state: State) -> Body | None:
        kept = self._kept.get(state.id)
        return kept[0] if kept is not None and kept[0].of(state) else None

    def keep(self, post_id: PostId, body: Body) -> None:
        self._drop(post_id)
        # Four bytes to a character: as much as a text can take.
        cost = _OVERHEAD + 4 * (len(body.text) + len(body.content_warning)) + _PER_ENTITY * len(body.entities)
        self._kept[post_id] = body, cost
        self.bytes += cost
        while self.bytes > self.max_bytes or len(self._kept) > self.capacity:
            _, (_, freed) = self._kept.popitem(last=False)
            self.bytes -= freed

    def _drop(self, post_id: PostId) -> None:
        if (kept := self._kept.pop(post_id, None)) is not None:
            self.bytes -= kept[1]

    async def forget(self, event: PostDeleted, _event_id: EventId) -> None:
        """Nobody is shown what is deleted, as its state says; nor is it kept longer than need be."""
        self._drop(PostId(event.post_id))


@dataclass(frozen=True, slots=True)
class Hydrate:
    """Posts by their ids, those that `viewer_context` may see."""

    parts: PostParts
    bodies: Bodies

    async def __call__(self, ids: Collection[PostId], viewer_context: ViewerContext) -> dict[PostId, PostRow]:
        rows, changed = await self._once(ids, viewer_context)
        if changed:  # edited between the two questions: what they say does not belong together
            again, _ = await self._once(changed, viewer_context)
            rows.update(again)
        return rows

    async def _once(
        self, ids: Collection[PostId], viewer_context: ViewerContext
    ) -> tuple[dict[PostId, PostRow], list[PostId]]:
        """The posts, and those whose words are of another version than their state."""
        if not ids:
            return {}, []
        rows: dict[PostId, PostRow] = {}
        missing: list[State] = []
        for state in await self.parts.states(ids, viewer_context.viewer):
            if can_view(state, viewer_context):
                if (body := self.bodies.get(state)) is not None:
                    rows[state.id] = joined(state, body)
                else:
                    missing.append(state)
        if not missing:
            return rows, []
        found = await self.parts.bodies([state.id for state in missing])
        changed: list[PostId] = []
        for state in missing:
            body = found.get(state.id)
            if body is not None and body.of(state):
                self.bodies.keep(state.id, body)
                rows[state.id] = joined(state, body)
            else:
                changed.append(state.id)
        return rows, changed


@dataclass(frozen=True, slots=True)
class ShowEntries:
    """What stands at places of feeds, by the ids of the entries: what `viewer_context` may see of it now. So a repost is
    left out also if the viewer and the one who reposted see nothing of each other."""

    hydrate: Hydrate
    people: People

    async def __call__(
        self, viewer_context: ViewerContext, entries: Sequence[FeedEntry]
    ) -> Mapping[int, SeenPost]:
        rows = await self.hydrate({post for _id, post, _by in entries}, viewer_context)
        viewer, blocked = viewer_context.viewer, viewer_context.blocked
        shown = []
        people: set[UserId] = set()
        for id_, post, by in entries:
            if (row := rows.get(post)) is not None and by not in blocked:
                author_id, mentioned = row.author, row.mentioned
                shown.append((id_, row, author_id, mentioned, by if id_ != post else None))
                people.update((by, author_id), mentioned)
        cards = await self.people.cards(people)
        seen: dict[int, SeenPost] = {}
        for id_, row, author_id, mentioned, reposter in shown:
            author = cards.get(author_id)
            reposted_by = None if reposter is None else cards.get(reposter)
            if author is None or (reposted_by is None and reposter is not None):
                continue  # the account was deleted a moment ago
            mentions = [cards[named] for named in mentioned if named in cards] if mentioned else ()
            seen[id_] = _make_seen((row, author, mentions, viewer, reposted_by))
        return seen


_make_seen = maker(SeenPost)
