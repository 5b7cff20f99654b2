"""Runs the contract of timelines on the adapter in memory, and tests what only that adapter promises."""

import pytest

from adapters.memory.feeds.timelines import MemoryTimelines, NoTimelines
from application.feeds.ports import TimelineSegment
from application.shared.paging import Window
from domain.shared import MAX_ID
from tests.port_contracts.timelines import ALL, TimelinesContract, a_reader, an_entry, entries, filled, ids


@pytest.fixture
def timelines() -> MemoryTimelines:
    return MemoryTimelines()


class TestMemoryTimelines(TimelinesContract): ...


async def test_the_least_recently_read_timeline_is_evicted() -> None:
    timelines = MemoryTimelines(readers=2)
    ann, bob = await filled(timelines, 1), await filled(timelines, 2)
    await timelines.read(ann, 1, ALL)

    cid = await filled(timelines, 3)

    assert [ids(await timelines.read(reader, 1, ALL)) for reader in (ann, bob, cid)] == [[1], None, [3]]


async def test_the_adapter_without_timelines_stores_nothing() -> None:
    timelines, reader = NoTimelines(), a_reader()

    assert await timelines.begin(reader, 1) is False
    await timelines.fill(reader, 1, TimelineSegment(entries(3), 0, MAX_ID))
    await timelines.push([reader], an_entry(4))
    await timelines.drop([a_reader()])

    assert await timelines.read(reader, 1, Window(20)) is None
