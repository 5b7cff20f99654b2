"""How a viewer stands to others is kept, and never for longer than it is true."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from application.graph.ports import ViewerRelations
from application.graph.viewer_contexts import ANONYMOUS, CachedViewerContexts
from domain.shared import Unavailable, UserId, ViewerContext
from tests.unit.people import Time

ANN, BOB, CID = UserId(1), UserId(2), UserId(3)
NOBODY = frozenset[UserId]()
TTL = timedelta(seconds=0.5)


@dataclass
class Graph:
    """A store of standings that can be told to be slow."""

    around_of: dict[UserId, ViewerRelations] = field(default_factory=dict)
    loads: int = 0
    looks: int = 0
    away: bool = False
    gate: asyncio.Event | None = None
    """An answer, which is that of the moment of the question, waits for it."""

    def change(
        self,
        viewer: UserId,
        follows: Iterable[UserId] = (),
        blocked: Iterable[UserId] = (),
        mutes: Mapping[UserId, datetime | None] | None = None,
    ) -> None:
        version = self.around_of[viewer].version + 1 if viewer in self.around_of else 1
        self.around_of[viewer] = ViewerRelations(version, frozenset(follows), frozenset(blocked), mutes or {})

    async def version(self, viewer: UserId) -> int:
        self.looks += 1
        if self.away:
            raise Unavailable("away")
        return self.around_of[viewer].version if viewer in self.around_of else 0

    async def viewer_relations(self, viewer: UserId) -> ViewerRelations:
        self.loads += 1
        if self.away:
            raise Unavailable("away")
        found = self.around_of.get(viewer, ViewerRelations(0, frozenset(), frozenset(), {}))
        if self.gate is not None:
            await self.gate.wait()
        return found


@dataclass
class Scene:
    graph: Graph
    time: Time
    viewer_contexts: CachedViewerContexts


@pytest.fixture
def scene() -> Scene:
    graph, time = Graph(), Time()
    return Scene(graph, time, CachedViewerContexts(graph, time, time.monotonic))  # type: ignore[arg-type]


async def test_a_stranger_stands_to_nobody(scene: Scene) -> None:
    assert await scene.viewer_contexts.of(None) == ANONYMOUS
    assert await scene.viewer_contexts.of(ANN) == ViewerContext(ANN)


async def test_a_standing_is_loaded_once(scene: Scene) -> None:
    scene.graph.change(ANN, follows=[BOB], blocked=[CID], mutes={BOB: None})

    found = [await scene.viewer_contexts.of(ANN) for _ in range(3)]

    assert found == [ViewerContext(ANN, frozenset({BOB}), frozenset({CID}), frozenset({BOB}), 1)] * 3
    assert (scene.graph.loads, scene.graph.looks) == (1, 0)


async def test_az4_what_this_process_does_is_seen_at_once(scene: Scene) -> None:
    await scene.viewer_contexts.of(ANN)
    scene.graph.change(ANN, blocked=[BOB])
    scene.viewer_contexts.forget(ANN, BOB)

    assert (await scene.viewer_contexts.of(ANN)).blocked == {BOB}


async def test_az4_what_another_process_does_is_seen_within_half_a_second(scene: Scene) -> None:
    before = await scene.viewer_contexts.of(ANN)
    scene.graph.change(ANN, blocked=[BOB])
    scene.time.pass_by(TTL)

    assert (before.blocked, (await scene.viewer_contexts.of(ANN)).blocked) == (NOBODY, frozenset({BOB}))


async def test_what_did_not_change_is_not_loaded_again(scene: Scene) -> None:
    scene.graph.change(ANN, follows=[BOB])
    first = await scene.viewer_contexts.of(ANN)
    scene.time.pass_by(TTL)
    second = await scene.viewer_contexts.of(ANN)
    scene.time.pass_by(TTL / 2)
    await scene.viewer_contexts.of(ANN)

    assert second is first
    assert (scene.graph.loads, scene.graph.looks) == (1, 1)


async def test_many_who_ask_at_once_ask_the_store_once(scene: Scene) -> None:
    await asyncio.gather(*(scene.viewer_contexts.of(ANN) for _ in range(20)))

    assert scene.graph.loads == 1


async def test_az4_an_answer_from_before_a_change_is_not_kept(scene: Scene) -> None:
    scene.graph.gate = asyncio.Event()
    early = asyncio.create_task(scene.viewer_contexts.of(ANN))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    scene.graph.change(ANN, blocked=[BOB])
    scene.viewer_contexts.forget(ANN)
    late = asyncio.create_task(scene.viewer_contexts.of(ANN))
    await asyncio.sleep(0)
    scene.graph.gate.set()

    assert ((await early).blocked, (await late).blocked) == (NOBODY, frozenset({BOB}))
    assert (await scene.viewer_contexts.of(ANN)).blocked == {BOB}


async def test_a_mute_ends_by_the_clock_and_nothing_is_asked(scene: Scene) -> None:
    soon = scene.time.now + timedelta(seconds=0.2)
    scene.graph.change(ANN, mutes={BOB: soon, CID: scene.time.now + timedelta(days=1)})
    before = await scene.viewer_contexts.of(ANN)
    scene.time.pass_by(timedelta(seconds=0.2))
    after = await scene.viewer_contexts.of(ANN)

    assert (before.muted, after.muted) == (frozenset({BOB, CID}), frozenset({CID}))
    assert after is await scene.viewer_contexts.of(ANN)
    assert (scene.graph.loads, scene.graph.looks) == (1, 0)


async def test_what_is_kept_is_bounded_by_all_the_ids_in_it(scene: Scene) -> None:
    scene.viewer_contexts.capacity = 10
    for viewer in (ANN, BOB, CID):
        scene.graph.change(viewer, follows=[UserId(10 + number) for number in range(4)])
    for viewer in (ANN, BOB, ANN, CID, ANN, BOB):
        await scene.viewer_contexts.of(viewer)

    # ANN, asked for in between, stays when CID comes; BOB does not.
    assert scene.graph.loads == 4


async def test_one_who_knows_more_people_than_are_kept_is_served_all_the_same(scene: Scene) -> None:
    scene.viewer_contexts.capacity = 3
    scene.graph.change(ANN, follows=[UserId(10 + number) for number in range(9)])

    assert len((await scene.viewer_contexts.of(ANN)).follows) == 9
    assert len((await scene.viewer_contexts.of(ANN)).follows) == 9


async def test_a_store_that_is_away_is_asked_again(scene: Scene) -> None:
    await scene.viewer_contexts.of(ANN)
    scene.time.pass_by(TTL)
    scene.graph.away = True
    with pytest.raises(Unavailable):
        await scene.viewer_contexts.of(ANN)
    scene.graph.away = False

    assert await scene.viewer_contexts.of(ANN) == ViewerContext(ANN)


async def test_a_request_that_gives_up_takes_nobody_with_it(scene: Scene) -> None:
    scene.graph.gate = asyncio.Event()
    impatient = asyncio.create_task(scene.viewer_contexts.of(ANN))
    patient = asyncio.create_task(scene.viewer_contexts.of(ANN))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    scene.graph.gate.set()

    assert await patient == ViewerContext(ANN)
    assert scene.graph.loads == 1
