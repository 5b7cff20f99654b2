"""The cache of viewer contexts, and when its entries become invalid."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from application.graph.ports import ViewerRelations
from application.graph.viewer_contexts import ANONYMOUS, CachedViewerContexts
from domain.shared import Unavailable, UserId, ViewerContext
from tests.unit.clock import Time

ANN, BOB, CID = UserId(1), UserId(2), UserId(3)
NOBODY = frozenset[UserId]()
TTL = timedelta(seconds=0.5)


@dataclass
class DelayableReader:
    """A reader of relationships whose answers a test can delay."""

    relations_of: dict[UserId, ViewerRelations] = field(default_factory=dict)
    loads: int = 0
    looks: int = 0
    away: bool = False
    gate: asyncio.Event | None = None
    """An answer waits for this event. It is read before the wait."""

    def change(
        self,
        viewer: UserId,
        follows: Iterable[UserId] = (),
        blocked: Iterable[UserId] = (),
        mutes: Mapping[UserId, datetime | None] | None = None,
    ) -> None:
        version = self.relations_of[viewer].version + 1 if viewer in self.relations_of else 1
        self.relations_of[viewer] = ViewerRelations(
            version, frozenset(follows), frozenset(blocked), mutes or {}
        )

    async def version(self, viewer: UserId) -> int:
        self.looks += 1
        if self.away:
            raise Unavailable("away")
        return self.relations_of[viewer].version if viewer in self.relations_of else 0

    async def viewer_relations(self, viewer: UserId) -> ViewerRelations:
        self.loads += 1
        if self.away:
            raise Unavailable("away")
        found = self.relations_of.get(viewer, ViewerRelations(0, frozenset(), frozenset(), {}))
        if self.gate is not None:
            await self.gate.wait()
        return found


@dataclass
class ViewerContextsHarness:
    graph: DelayableReader
    time: Time
    viewer_contexts: CachedViewerContexts


@pytest.fixture
def harness() -> ViewerContextsHarness:
    graph, time = DelayableReader(), Time()
    return ViewerContextsHarness(graph, time, CachedViewerContexts(graph, time, time.monotonic))  # type: ignore[arg-type]


async def test_an_anonymous_viewer_has_no_relationships(harness: ViewerContextsHarness) -> None:
    assert await harness.viewer_contexts.of(None) == ANONYMOUS
    assert await harness.viewer_contexts.of(ANN) == ViewerContext(ANN)


async def test_a_viewer_context_is_loaded_once(harness: ViewerContextsHarness) -> None:
    harness.graph.change(ANN, follows=[BOB], blocked=[CID], mutes={BOB: None})

    found = [await harness.viewer_contexts.of(ANN) for _ in range(3)]

    assert found == [ViewerContext(ANN, frozenset({BOB}), frozenset({CID}), frozenset({BOB}), 1)] * 3
    assert (harness.graph.loads, harness.graph.looks) == (1, 0)


async def test_a_change_by_this_process_is_seen_at_once(harness: ViewerContextsHarness) -> None:
    await harness.viewer_contexts.of(ANN)
    harness.graph.change(ANN, blocked=[BOB])
    harness.viewer_contexts.forget(ANN, BOB)

    assert (await harness.viewer_contexts.of(ANN)).blocked == {BOB}


async def test_a_change_by_another_process_is_seen_within_half_a_second(
    harness: ViewerContextsHarness,
) -> None:
    before = await harness.viewer_contexts.of(ANN)
    harness.graph.change(ANN, blocked=[BOB])
    harness.time.advance(TTL)

    assert (before.blocked, (await harness.viewer_contexts.of(ANN)).blocked) == (NOBODY, frozenset({BOB}))


async def test_an_unchanged_version_loads_nothing(harness: ViewerContextsHarness) -> None:
    harness.graph.change(ANN, follows=[BOB])
    first = await harness.viewer_contexts.of(ANN)
    harness.time.advance(TTL)
    second = await harness.viewer_contexts.of(ANN)
    harness.time.advance(TTL / 2)
    await harness.viewer_contexts.of(ANN)

    assert second is first
    assert (harness.graph.loads, harness.graph.looks) == (1, 1)


async def test_concurrent_callers_share_one_read(harness: ViewerContextsHarness) -> None:
    await asyncio.gather(*(harness.viewer_contexts.of(ANN) for _ in range(20)))

    assert harness.graph.loads == 1


async def test_an_answer_from_before_a_change_is_not_cached(harness: ViewerContextsHarness) -> None:
    harness.graph.gate = asyncio.Event()
    early = asyncio.create_task(harness.viewer_contexts.of(ANN))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    harness.graph.change(ANN, blocked=[BOB])
    harness.viewer_contexts.forget(ANN)
    late = asyncio.create_task(harness.viewer_contexts.of(ANN))
    await asyncio.sleep(0)
    harness.graph.gate.set()

    assert ((await early).blocked, (await late).blocked) == (NOBODY, frozenset({BOB}))
    assert (await harness.viewer_contexts.of(ANN)).blocked == {BOB}


async def test_a_mute_ends_by_the_clock_without_a_read(harness: ViewerContextsHarness) -> None:
    soon = harness.time.now + timedelta(seconds=0.2)
    harness.graph.change(ANN, mutes={BOB: soon, CID: harness.time.now + timedelta(days=1)})
    before = await harness.viewer_contexts.of(ANN)
    harness.time.advance(timedelta(seconds=0.2))
    after = await harness.viewer_contexts.of(ANN)

    assert (before.muted, after.muted) == (frozenset({BOB, CID}), frozenset({CID}))
    assert after is await harness.viewer_contexts.of(ANN)
    assert (harness.graph.loads, harness.graph.looks) == (1, 0)


async def test_the_number_of_cached_ids_is_bounded(harness: ViewerContextsHarness) -> None:
    harness.viewer_contexts.capacity = 10
    for viewer in (ANN, BOB, CID):
        harness.graph.change(viewer, follows=[UserId(10 + number) for number in range(4)])
    for viewer in (ANN, BOB, ANN, CID, ANN, BOB):
        await harness.viewer_contexts.of(viewer)

    # ANN was read in between and stays when CID is added; BOB does not.
    assert harness.graph.loads == 4


async def test_a_viewer_with_more_relationships_than_the_capacity_is_served(
    harness: ViewerContextsHarness,
) -> None:
    harness.viewer_contexts.capacity = 3
    harness.graph.change(ANN, follows=[UserId(10 + number) for number in range(9)])

    assert len((await harness.viewer_contexts.of(ANN)).follows) == 9
    assert len((await harness.viewer_contexts.of(ANN)).follows) == 9


async def test_an_unavailable_store_is_read_again(harness: ViewerContextsHarness) -> None:
    await harness.viewer_contexts.of(ANN)
    harness.time.advance(TTL)
    harness.graph.away = True
    with pytest.raises(Unavailable):
        await harness.viewer_contexts.of(ANN)
    harness.graph.away = False

    assert await harness.viewer_contexts.of(ANN) == ViewerContext(ANN)


async def test_a_cancelled_request_does_not_cancel_the_shared_read(harness: ViewerContextsHarness) -> None:
    harness.graph.gate = asyncio.Event()
    impatient = asyncio.create_task(harness.viewer_contexts.of(ANN))
    waiting_request = asyncio.create_task(harness.viewer_contexts.of(ANN))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    harness.graph.gate.set()

    assert await waiting_request == ViewerContext(ANN)
    assert harness.graph.loads == 1
