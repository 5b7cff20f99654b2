"""What a user reads of the own stream: pages, groups, what is new, and where it stands."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.notifications.grouping import ACTORS
from application.notifications.queries import MAX_ROUNDS, News, NotificationListing
from application.notifications.read_stream import CursorAhead
from application.shared.paging import Window
from domain.notifications import Kind, StreamChange
from domain.shared import PostId, UserId
from tests.unit.people import refused
from tests.unit.stream_harness import Streams

MAYA, WILLY, FLIP, THEKLA = map(UserId, range(1, 5))
EVERY = tuple(Kind)


@pytest.fixture
def streams() -> Streams:
    return Streams()


def numbers(listed: NotificationListing) -> list[int]:
    return [one.entry.seq for group in listed.page.items for one in group.newest]


async def test_a_stream_has_the_epoch_that_was_first_asked_for(streams: Streams) -> None:
    before = await streams.find(MAYA)
    await streams.add(MAYA)
    after = await streams.find(MAYA)
    assert (before.head, after.head, after.unread) == (0, 1, {Kind.LIKE: 1})
    assert before.epoch == after.epoch != (await streams.find(WILLY)).epoch


async def test_pages_hold_notifications_of_the_kinds_asked_for_newest_first(streams: Streams) -> None:
    for actor in (WILLY, FLIP, THEKLA):
        await streams.add(MAYA, Kind.LIKE, actor)
        await streams.add(MAYA, Kind.COMMENT, actor)
        await streams.add(MAYA, StreamChange.READ, refs=(1,))
    assert numbers(await streams.list(MAYA, Window(9), EVERY)) == [8, 7, 5, 4, 2, 1]
    first = await streams.list(MAYA, Window(2), [Kind.LIKE])
    assert first.page.next is not None
    assert (numbers(first), first.page.prev) == ([7, 4], None)
    second = await streams.list(MAYA, first.page.next, [Kind.LIKE])
    assert second.page.prev is not None
    assert (numbers(second), second.page.next) == ([1], None)
    assert numbers(await streams.list(MAYA, second.page.prev, [Kind.LIKE])) == [7, 4]
    assert first.stream == await streams.find(MAYA)


async def test_a_page_is_full_though_some_are_hidden_and_the_counts_are_right_with_it(
    streams: Streams,
) -> None:
    for _ in range(10):
        await streams.add(MAYA, Kind.LIKE, WILLY)
        await streams.add(MAYA, Kind.LIKE, FLIP)
        await streams.add(MAYA, Kind.COMMENT, FLIP, PostId(78))
    streams.graph.block(WILLY, MAYA)
    streams.hidden.add(PostId(78))
    listed = await streams.list(MAYA, Window(4), EVERY)
    assert numbers(listed) == [29, 26, 23, 20]
    assert listed.stream.total == 30 - 7  # hidden down to there
    everything = await streams.list(MAYA, Window(100), EVERY)
    assert len(numbers(everything)) == 10
    assert everything.stream.unread == {Kind.LIKE: 10}
    assert everything.stream == await streams.find(MAYA)


async def test_where_too_much_is_hidden_a_page_is_short_and_says_where_to_go_on(streams: Streams) -> None:
    await streams.add(MAYA, Kind.LIKE, FLIP)
    for _ in range(MAX_ROUNDS * 2):
        await streams.add(MAYA, Kind.LIKE, WILLY)
    streams.graph.block(MAYA, WILLY)
    listed = await streams.list(MAYA, Window(2), EVERY)
    assert numbers(listed) == []
    assert listed.page.next is not None
    assert numbers(await streams.list(MAYA, listed.page.next, EVERY)) == [1]


async def test_likes_of_one_post_are_one_group_and_comments_are_none(streams: Streams) -> None:
    people = [UserId(100 + number) for number in range(ACTORS + 2)]
    await streams.add(MAYA, Kind.COMMENT, WILLY)
    for user in people:
        await streams.add(MAYA, Kind.LIKE, user)
    await streams.add(MAYA, Kind.LIKE, WILLY, PostId(78))
    await streams.add(MAYA, Kind.REPOST, WILLY)
    await streams.add(MAYA, Kind.COMMENT, WILLY)
    listed = await streams.list(MAYA, Window(20), EVERY, in_groups=True)
    assert [(len(one.newest), one.oldest, one.count) for one in listed.page.items] == [
        (1, 11, 1),
        (1, 10, 1),
        (1, 9, 1),
        (ACTORS, 2, ACTORS + 2),
        (1, 1, 1),
    ]
    assert [one.entry.actor for one in listed.page.items[3].newest] == people[: -ACTORS - 1 : -1]


async def test_who_is_hidden_is_not_in_a_group(streams: Streams) -> None:
    for actor in (WILLY, FLIP, WILLY, THEKLA):
        await streams.add(MAYA, Kind.LIKE, actor)
    await streams.add(MAYA, Kind.REPOST, WILLY)
    streams.graph.block(WILLY, MAYA)
    (group,) = (await streams.list(MAYA, Window(5), EVERY, in_groups=True)).page.items
    assert [one.entry.actor for one in group.newest] == [THEKLA, FLIP]
    assert (group.oldest, group.count) == (2, 2)


@given(st.lists(st.tuples(st.sampled_from([Kind.LIKE, Kind.FOLLOW]), st.integers(1, 4))), st.integers(1, 4))
async def test_pages_of_groups_are_the_whole_list_in_pieces_in_both_directions(
    told: list[tuple[Kind, int]], limit: int
) -> None:
    streams = Streams()
    for kind, post in told:
        await streams.add(MAYA, kind, WILLY, PostId(post))
    whole = (await streams.list(MAYA, Window(100), EVERY, in_groups=True)).page.items
    pieces = [(await streams.list(MAYA, Window(limit), EVERY, in_groups=True)).page]
    while (following := pieces[-1].next) is not None:
        pieces.append((await streams.list(MAYA, following, EVERY, in_groups=True)).page)
    assert [group for piece in pieces for group in piece.items] == whole
    back = [pieces[-1]]
    while (before := back[-1].prev) is not None:
        back.append((await streams.list(MAYA, before, EVERY, in_groups=True)).page)
    assert [group for piece in reversed(back) for group in piece.items] == whole


async def told(streams: Streams, after: int, epoch: str | None = None, limit: int = 3) -> News:
    return await streams.news(MAYA, after, epoch, limit)


async def test_news_are_all_that_stands_after_a_number_in_pieces(streams: Streams) -> None:
    for actor in (WILLY, FLIP, WILLY, FLIP):
        await streams.add(MAYA, Kind.LIKE, actor)
    await streams.mark_read(MAYA, 1)
    await streams.dismiss(MAYA, 2)
    epoch = (await streams.find(MAYA)).epoch
    first = await told(streams, 0, epoch)
    second = await told(streams, first.last)
    assert [one.entry.seq for one in (*first.items, *second.items)] == [1, 2, 3, 4, 5, 6]
    assert [one.void for one in first.items] == [False, True, False]
    assert [one.entry.refs for one in second.items] == [(), (1,), (2,)]
    assert [(news.recovered, news.last, news.more) for news in (first, second)] == [
        (True, 3, True),
        (True, 6, False),
    ]
    none = await told(streams, 6)
    assert (none.recovered, none.items, none.last, none.more) == (True, [], 6, False)


async def test_what_is_hidden_at_this_moment_does_not_count_and_there_is_more_to_be_told(
    streams: Streams,
) -> None:
    await streams.add(MAYA, Kind.LIKE, WILLY)
    await streams.add(MAYA, Kind.LIKE, FLIP)
    streams.graph.block(WILLY, MAYA)
    news = await told(streams, 0)
    assert [one.void for one in news.items] == [True, False]
    assert (news.stream.unread, news.more) == ({Kind.LIKE: 1}, True)
    (removed,) = (await told(streams, news.last)).items
    assert (removed.entry.type, removed.entry.refs) == (StreamChange.REMOVED, (1,))


async def test_a_number_of_another_epoch_or_below_the_floor_recovers_nothing(streams: Streams) -> None:
    for _ in range(3):
        await streams.add(MAYA)
    async with streams.open_tx() as tx:
        stream = (await tx.streams.lock([MAYA]))[MAYA]
        await tx.streams.cut(MAYA, 3)
        await tx.streams.save([stream.trimmed_to(3, {Kind.LIKE: 2})])
    for news in (
        await told(streams, 1),
        await told(streams, 3, "another"),
        await told(streams, 99, "another"),
    ):
        assert (news.recovered, news.items, news.last, news.more) == (False, (), 3, False)
    assert [one.entry.seq for one in (await told(streams, 2)).items] == [3]


async def test_a_number_beyond_the_head_is_refused(streams: Streams) -> None:
    await streams.add(MAYA)
    assert await refused(told(streams, 2)) is CursorAhead
    assert await refused(told(streams, 2, (await streams.find(MAYA)).epoch)) is CursorAhead


async def test_what_is_cut_while_it_is_read_is_not_half_a_recovery(streams: Streams) -> None:
    await streams.add(MAYA)
    await streams.add(MAYA)
    stream = await streams.find(MAYA)
    async with streams.open_tx() as tx:  # as if it had been read before the cut
        await tx.streams.cut(MAYA, 2)
        await tx.streams.save([replace(stream, floor=1)])
    news = await told(streams, 0)
    assert (news.recovered, news.items, news.last) == (False, (), 2)
    assert (await told(streams, 2)).recovered
