"""The contract of timelines. A class that runs it needs a fixture `timelines`, empty for each test."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.feeds.ports import MAX_TIMELINE_ENTRIES, TimelinePage, Timelines, TimelineSegment
from application.shared.feed_entries import FeedEntry
from application.shared.paging import Window
from domain.shared import MAX_ID, PostId, UserId
from tests.port_contracts.stores import new_id


def an_entry(id_: int, post: int | None = None, by: int = 7) -> FeedEntry:
    return FeedEntry(id_, PostId(id_ if post is None else post), UserId(by))


def entries(*ids: int) -> list[FeedEntry]:
    return [an_entry(id_) for id_ in ids]


def ids(found: TimelinePage | None) -> list[int] | None:
    return None if found is None else [entry.id for entry in found.entries]


def a_reader() -> UserId:
    return UserId(new_id())


ALL = Window(MAX_TIMELINE_ENTRIES)


async def filled(
    timelines: Timelines, *ids: int, lower_bound: int = 0, upper_bound: int = MAX_ID, version: int = 1
) -> UserId:
    reader = a_reader()
    await timelines.begin(reader, version)
    await timelines.fill(reader, version, TimelineSegment(entries(*ids), lower_bound, upper_bound))
    return reader


class TimelinesContract:
    async def test_a_timeline_that_was_not_begun_does_not_exist(self, timelines: Timelines) -> None:
        reader = a_reader()

        await timelines.fill(reader, 1, TimelineSegment(entries(3, 2), 0, MAX_ID))
        await timelines.push([reader], an_entry(4))

        assert await timelines.read(reader, 1, ALL) is None

    async def test_a_timeline_that_was_begun_but_not_filled_cannot_be_read(
        self, timelines: Timelines
    ) -> None:
        reader = a_reader()

        assert await timelines.begin(reader, 1) is True
        await timelines.push([reader], an_entry(4))

        assert await timelines.read(reader, 1, ALL) is None

    async def test_entries_round_trip(self, timelines: Timelines) -> None:
        reader = a_reader()
        stored = [FeedEntry(MAX_ID - 1, PostId(new_id()), UserId(new_id())), an_entry(new_id())]
        await timelines.begin(reader, 3)
        await timelines.fill(reader, 3, TimelineSegment(stored, 1, MAX_ID))

        assert await timelines.read(reader, 3, ALL) == TimelinePage(stored, 1)

    async def test_a_timeline_can_be_filled_with_nothing(self, timelines: Timelines) -> None:
        reader = await filled(timelines)

        assert await timelines.read(reader, 1, ALL) == TimelinePage([], 0)

    async def test_pushes_between_begin_and_fill_are_kept(self, timelines: Timelines) -> None:
        reader = a_reader()
        await timelines.begin(reader, 1)
        await timelines.push([reader], an_entry(9))
        await timelines.push([reader], an_entry(5))

        await timelines.fill(reader, 1, TimelineSegment(entries(8, 7), 0, MAX_ID))

        assert ids(await timelines.read(reader, 1, ALL)) == [9, 8, 7, 5]

    async def test_beginning_a_timeline_again_keeps_its_entries(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 8, 7)

        await timelines.begin(reader, 1)

        assert ids(await timelines.read(reader, 1, ALL)) == [8, 7]

    async def test_a_timeline_of_another_version_is_a_miss(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 8, 7, version=4)

        assert await timelines.read(reader, 5, ALL) is None
        assert await timelines.read(reader, 3, ALL) is None
        assert ids(await timelines.read(reader, 4, ALL)) == [8, 7]

    async def test_a_timeline_of_another_version_begins_empty(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 8, 7, version=4)

        await timelines.begin(reader, 5)
        await timelines.fill(reader, 4, TimelineSegment(entries(6), 0, MAX_ID))  # of the old version

        assert await timelines.read(reader, 4, ALL) is None
        assert await timelines.read(reader, 5, ALL) is None
        await timelines.fill(reader, 5, TimelineSegment(entries(3), 0, MAX_ID))
        assert ids(await timelines.read(reader, 5, ALL)) == [3]

    async def test_pushed_entries_are_ordered_by_id_and_unique(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 30, 20)

        for id_ in (40, 25, 40, 30, 10):
            await timelines.push([reader], an_entry(id_))

        assert ids(await timelines.read(reader, 1, ALL)) == [40, 30, 25, 20, 10]

    async def test_a_push_reaches_the_given_readers_with_a_timeline(self, timelines: Timelines) -> None:
        ann, bob = await filled(timelines, 8), await filled(timelines, 7)
        stranger, other = a_reader(), await filled(timelines, 6)

        await timelines.push([ann, stranger, bob], an_entry(9))
        await timelines.push([], an_entry(10))

        found = [ids(await timelines.read(reader, 1, ALL)) for reader in (ann, bob, other, stranger)]
        assert found == [[9, 8], [9, 7], [6], None]

    async def test_entries_below_the_lower_bound_are_not_returned(self, timelines: Timelines) -> None:
        """An entry that was pushed there is returned only when the segment around it is known."""
        reader = await filled(timelines, 30, 20, lower_bound=20)
        await timelines.push([reader], an_entry(15))

        assert await timelines.read(reader, 1, ALL) == TimelinePage(entries(30, 20), 20)
        assert await timelines.read(reader, 1, Window(5, 20)) == TimelinePage([], 20)
        assert await timelines.read(reader, 1, Window(5, 12)) == TimelinePage([], 20)

        await timelines.fill(reader, 1, TimelineSegment(entries(18, 12), 12, 20))

        assert await timelines.read(reader, 1, ALL) == TimelinePage(entries(30, 20, 18, 15, 12), 12)

    async def test_a_segment_that_would_leave_a_gap_is_ignored(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 30, 20, lower_bound=20)

        await timelines.fill(reader, 1, TimelineSegment(entries(9, 8), 8, 10))

        assert await timelines.read(reader, 1, ALL) == TimelinePage(entries(30, 20), 20)

    async def test_the_first_segment_must_reach_the_newest_end(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 9, 8, upper_bound=10)

        assert await timelines.read(reader, 1, ALL) is None

    async def test_overlapping_segments_are_merged(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 30, 20, lower_bound=20)

        await timelines.fill(reader, 1, TimelineSegment(entries(31, 30), 30, MAX_ID))
        await timelines.fill(reader, 1, TimelineSegment(entries(30, 20, 10), 10, MAX_ID))

        assert await timelines.read(reader, 1, ALL) == TimelinePage(entries(31, 30, 20, 10), 10)

    async def test_a_window_towards_older_entries_starts_at_its_edge(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 9, 7, 5, 3, lower_bound=3)

        assert ids(await timelines.read(reader, 1, Window(2))) == [9, 7]
        assert ids(await timelines.read(reader, 1, Window(2, 7))) == [5, 3]
        assert ids(await timelines.read(reader, 1, Window(2, 6))) == [5, 3]
        assert ids(await timelines.read(reader, 1, Window(2, 5))) == [3]
        assert ids(await timelines.read(reader, 1, Window(2, MAX_ID))) == [9, 7]

    async def test_a_window_towards_newer_entries_starts_at_its_edge(self, timelines: Timelines) -> None:
        reader = await filled(timelines, 9, 7, 5, 3, lower_bound=3)

        assert ids(await timelines.read(reader, 1, Window(2, 3, back=True))) == [7, 5]
        assert ids(await timelines.read(reader, 1, Window(2, 6, back=True))) == [9, 7]
        assert ids(await timelines.read(reader, 1, Window(9, 2, back=True))) == [9, 7, 5, 3]
        assert ids(await timelines.read(reader, 1, Window(2, 9, back=True))) == []

    async def test_a_window_towards_newer_entries_from_below_the_lower_bound_is_a_miss(
        self, timelines: Timelines
    ) -> None:
        reader = await filled(timelines, 9, 7, lower_bound=7)

        assert await timelines.read(reader, 1, Window(2, 5, back=True)) is None

    async def test_only_the_newest_entries_are_kept(self, timelines: Timelines) -> None:
        many = [*range(2 * MAX_TIMELINE_ENTRIES, 0, -1)]
        reader = await filled(timelines, *many)
        kept = many[:MAX_TIMELINE_ENTRIES]
        assert await timelines.read(reader, 1, Window(1000)) == TimelinePage(entries(*kept), kept[-1])

        await timelines.push([reader], an_entry(5_000))

        kept = [5_000, *kept[:-1]]
        assert await timelines.read(reader, 1, Window(1000)) == TimelinePage(entries(*kept), kept[-1])

    async def test_pushing_an_old_entry_to_a_full_timeline_displaces_no_newer_one(
        self, timelines: Timelines
    ) -> None:
        many = [*range(3 * MAX_TIMELINE_ENTRIES, 2 * MAX_TIMELINE_ENTRIES, -1)]
        reader = await filled(timelines, *many)

        await timelines.push([reader], an_entry(5))

        assert ids(await timelines.read(reader, 1, Window(1000))) == many

    async def test_a_dropped_timeline_does_not_exist(self, timelines: Timelines) -> None:
        ann, bob = await filled(timelines, 8), await filled(timelines, 7)

        await timelines.drop([ann, a_reader()])
        await timelines.push([ann], an_entry(9))

        assert await timelines.read(ann, 1, ALL) is None
        assert ids(await timelines.read(bob, 1, ALL)) == [7]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
    @given(
        steps=st.lists(st.tuples(st.sampled_from("push fill fill".split()), st.integers(1, 40)), max_size=12)
    )
    async def test_a_timeline_is_complete_above_its_lower_bound(
        self, timelines: Timelines, steps: Sequence[tuple[str, int]]
    ) -> None:
        """The database is a set of ids. Every commit is followed by its push."""
        reader, committed = a_reader(), set(range(2, 40, 3))
        await timelines.begin(reader, 1)
        for step, number in steps:
            found = await timelines.read(reader, 1, ALL)
            if step == "push":
                committed.add(number)
                await timelines.push([reader], an_entry(number))
            else:
                upper_bound = MAX_ID if found is None else found.lower_bound
                below = sorted((id_ for id_ in committed if id_ < upper_bound), reverse=True)
                segment = below[: number % 7 + 1]
                lower_bound = segment[-1] if len(segment) < len(below) else 0
                await timelines.fill(reader, 1, TimelineSegment(entries(*segment), lower_bound, upper_bound))

            found = await timelines.read(reader, 1, ALL)
            if found is not None:
                expected = sorted((id_ for id_ in committed if id_ >= found.lower_bound), reverse=True)
                assert ids(found) == expected
