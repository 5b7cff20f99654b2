"""Hydration of stream entries: what a user may see at the moment of reading."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest

from application.notifications.hydration import HydratedEntry, HydrateStream
from application.shared.people import AuthorCard
from domain.notifications import EntryType, NotificationKind, StreamChange, StreamEntry
from domain.shared import PostId, UserId, ViewerContext
from tests.unit.viewer_contexts import FakeGraph

MAYA, WILLY, FLIP = UserId(1), UserId(2), UserId(3)
POST, SECRET = PostId(11), PostId(12)


@dataclass
class HydrationHarness:
    """Posts and accounts, some of which are hidden. Records what was pruned."""

    graph: FakeGraph = field(default_factory=FakeGraph)
    posts: set[PostId] = field(default_factory=lambda: {POST})
    people: set[UserId] = field(default_factory=lambda: {MAYA, WILLY, FLIP})
    queries: int = 0
    pruned: list[tuple[UserId, list[int]]] = field(default_factory=list)

    @property
    def hydrate(self) -> HydrateStream:
        return HydrateStream(self.graph, self.load_posts, self, self.prune)

    async def load_posts(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        assert viewer_context.viewer == MAYA
        self.queries += 1
        return {post: f"post {post}" for post in posts if post in self.posts}

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        self.queries += 1
        return {id_: card(id_) for id_ in ids if id_ in self.people}

    async def prune(self, user: UserId, seqs: Collection[int]) -> None:
        self.pruned.append((user, list(seqs)))


@pytest.fixture
def harness() -> HydrationHarness:
    return HydrationHarness()


def card(user: UserId) -> AuthorCard:
    return AuthorCard(user, f"user_{user}", "")


def entry(
    seq: int,
    type_: EntryType = NotificationKind.LIKE,
    actor: UserId | None = WILLY,
    post: PostId | None = POST,
) -> StreamEntry:
    return StreamEntry(MAYA, seq, seq, type_, actor, post)


def void(entry: StreamEntry) -> HydratedEntry:
    return HydratedEntry(entry, void=True)


async def test_entries_are_hydrated_in_order_with_one_query_per_module(harness: HydrationHarness) -> None:
    entries = [
        entry(9),
        entry(8, NotificationKind.FOLLOW, FLIP, None),
        StreamEntry(MAYA, 7, 7, StreamChange.READ, refs=(3,)),
        entry(6, NotificationKind.COMMENT, FLIP),
        StreamEntry(MAYA, 5, 5, NotificationKind.LIKE, removed=True),
    ]
    assert await harness.hydrate(MAYA, entries) == [
        HydratedEntry(entries[0], card(WILLY), f"post {POST}"),
        HydratedEntry(entries[1], card(FLIP)),
        HydratedEntry(entries[2]),
        HydratedEntry(entries[3], card(FLIP), f"post {POST}"),
        void(entries[4]),
    ]
    assert harness.queries == 2
    assert harness.pruned == []


async def test_an_entry_without_an_actor_is_hydrated(harness: HydrationHarness) -> None:
    alone = entry(1, NotificationKind.EDIT, None, POST)
    assert await harness.hydrate(MAYA, [alone]) == [HydratedEntry(alone, None, f"post {POST}")]


async def test_changes_and_tombstones_need_no_query(harness: HydrationHarness) -> None:
    entries = [
        StreamEntry(MAYA, 2, 2, StreamChange.REMOVED, refs=(1,)),
        StreamEntry(MAYA, 1, 1, NotificationKind.LIKE, removed=True),
    ]
    assert await harness.hydrate(MAYA, entries) == [HydratedEntry(entries[0]), void(entries[1])]
    assert await harness.hydrate(MAYA, []) == []
    assert harness.queries == 0


async def test_hidden_entries_are_sent_as_void_and_pruned(harness: HydrationHarness) -> None:
    blocked, hidden, gone = entry(4), entry(3, actor=FLIP, post=SECRET), entry(2, actor=MAYA)
    visible = entry(1, actor=FLIP)
    harness.graph.block(WILLY, MAYA)
    harness.people.discard(MAYA)
    assert await harness.hydrate(MAYA, [blocked, hidden, gone, visible]) == [
        void(blocked),
        void(hidden),
        void(gone),
        HydratedEntry(visible, card(FLIP), f"post {POST}"),
    ]
    assert harness.pruned == [(MAYA, [4, 3, 2])]


async def test_notifications_of_accounts_muted_later_stay_visible(harness: HydrationHarness) -> None:
    harness.graph.mute(MAYA, WILLY)
    assert not (await harness.hydrate(MAYA, [entry(1)]))[0].void
