"""What of a stream its user may see at the moment of reading."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest

from application.notifications.hydration import HydratedEntry, HydrateStream
from application.shared.people import AuthorCard
from domain.notifications import EntryType, Kind, StreamChange, StreamEntry
from domain.shared import PostId, UserId, ViewerContext
from tests.unit.viewer_contexts import Graph

MAYA, WILLY, FLIP = UserId(1), UserId(2), UserId(3)
POST, SECRET = PostId(11), PostId(12)


@dataclass
class World:
    """Posts and people, of whom some are hidden, and what was healed."""

    graph: Graph = field(default_factory=Graph)
    posts: set[PostId] = field(default_factory=lambda: {POST})
    people: set[UserId] = field(default_factory=lambda: {MAYA, WILLY, FLIP})
    questions: int = 0
    healed: list[tuple[UserId, list[int]]] = field(default_factory=list)

    @property
    def show(self) -> HydrateStream:
        return HydrateStream(self.graph, self.posts_seen, self, self.prune)

    async def posts_seen(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        assert viewer_context.viewer == MAYA
        self.questions += 1
        return {post: f"post {post}" for post in posts if post in self.posts}

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        self.questions += 1
        return {id_: card(id_) for id_ in ids if id_ in self.people}

    async def prune(self, user: UserId, seqs: Collection[int]) -> None:
        self.healed.append((user, list(seqs)))


@pytest.fixture
def world() -> World:
    return World()


def card(user: UserId) -> AuthorCard:
    return AuthorCard(user, f"user_{user}", "")


def entry(
    seq: int, type_: EntryType = Kind.LIKE, actor: UserId | None = WILLY, post: PostId | None = POST
) -> StreamEntry:
    return StreamEntry(MAYA, seq, seq, type_, actor, post)


def void(entry: StreamEntry) -> HydratedEntry:
    return HydratedEntry(entry, void=True)


async def test_everything_is_shown_in_its_order_and_asked_for_once(world: World) -> None:
    entries = [
        entry(9),
        entry(8, Kind.FOLLOW, FLIP, None),
        StreamEntry(MAYA, 7, 7, StreamChange.READ, refs=(3,)),
        entry(6, Kind.COMMENT, FLIP),
        StreamEntry(MAYA, 5, 5, Kind.LIKE, removed=True),
    ]
    assert await world.show(MAYA, entries) == [
        HydratedEntry(entries[0], card(WILLY), f"post {POST}"),
        HydratedEntry(entries[1], card(FLIP)),
        HydratedEntry(entries[2]),
        HydratedEntry(entries[3], card(FLIP), f"post {POST}"),
        void(entries[4]),
    ]
    assert world.questions == 2
    assert world.healed == []


async def test_what_tells_of_nobody_is_shown(world: World) -> None:
    alone = entry(1, Kind.EDIT, None, POST)
    assert await world.show(MAYA, [alone]) == [HydratedEntry(alone, None, f"post {POST}")]


async def test_nothing_is_asked_for_what_needs_no_answer(world: World) -> None:
    entries = [
        StreamEntry(MAYA, 2, 2, StreamChange.REMOVED, refs=(1,)),
        StreamEntry(MAYA, 1, 1, Kind.LIKE, removed=True),
    ]
    assert await world.show(MAYA, entries) == [HydratedEntry(entries[0]), void(entries[1])]
    assert await world.show(MAYA, []) == []
    assert world.questions == 0


async def test_what_may_not_be_seen_any_more_is_void_and_is_healed(world: World) -> None:
    blocked, hidden, gone = entry(4), entry(3, actor=FLIP, post=SECRET), entry(2, actor=MAYA)
    seen = entry(1, actor=FLIP)
    world.graph.block(WILLY, MAYA)
    world.people.discard(MAYA)
    assert await world.show(MAYA, [blocked, hidden, gone, seen]) == [
        void(blocked),
        void(hidden),
        void(gone),
        HydratedEntry(seen, card(FLIP), f"post {POST}"),
    ]
    assert world.healed == [(MAYA, [4, 3, 2])]


async def test_who_is_muted_later_is_shown_still(world: World) -> None:
    world.graph.mute(MAYA, WILLY)
    assert not (await world.show(MAYA, [entry(1)]))[0].void
