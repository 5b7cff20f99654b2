"""Queries of a user on their stream: pages, groups, news and counters."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.notifications.grouping import ACTORS
from application.notifications.queries import MAX_ROUNDS, News, NotificationListing
from application.notifications.read_stream import CursorAhead
from application.shared.paging import Window
from domain.notifications import NotificationKind, StreamChange
from domain.shared import PostId, UserId
from tests.unit.people import refused
from tests.unit.stream_harness import StreamHarness

MAYA, WILLY, FLIP, THEKLA = map(UserId, range(1, 5))
ALL_KINDS = tuple(NotificationKind)


@pytest.fixture
def streams() -> StreamHarness:
    return StreamHarness()


def seqs_of(listed: NotificationListing) -> list[int]:
    return [one.entry.seq for group in listed.page.items for one in group.newest]


async def test_a_stream_keeps_the_epoch_of_its_first_read(streams: StreamHarness) -> None:
    before = await streams.find_stream(MAYA)
    await streams.add(MAYA)
    after = await streams.find_stream(MAYA)
    assert (before.head, after.head, after.unread) == (0, 1, {NotificationKind.LIKE: 1})
    assert before.epoch == after.epoch != (await streams.find_stream(WILLY)).epoch


async def test_pages_have_notifications_of_the_requested_kinds_newest_first(streams: StreamHarness) -> None:
    for actor in (WILLY, FLIP, THEKLA):
        await streams.add(MAYA, NotificationKind.LIKE, actor)
        await streams.add(MAYA, NotificationKind.COMMENT, actor)
        await streams.add(MAYA, StreamChange.READ, refs=(1,))
    assert seqs_of(await streams.list_notifications(MAYA, Window(9), ALL_KINDS)) == [8, 7, 5, 4, 2, 1]
    first = await streams.list_notifications(MAYA, Window(2), [NotificationKind.LIKE])
    assert first.page.next is not None
    assert (seqs_of(first), first.page.prev) == ([7, 4], None)
    second = await streams.list_notifications(MAYA, first.page.next, [NotificationKind.LIKE])
    assert second.page.prev is not None
    assert (seqs_of(second), second.page.next) == ([1], None)
    assert seqs_of(await streams.list_notifications(MAYA, second.page.prev, [NotificationKind.LIKE])) == [
        7,
        4,
    ]
    assert first.stream == await streams.find_stream(MAYA)


async def test_hidden_notifications_do_not_shorten_a_page_and_leave_the_counters(
    streams: StreamHarness,
) -> None:
    for _ in range(10):
        await streams.add(MAYA, NotificationKind.LIKE, WILLY)
        await streams.add(MAYA, NotificationKind.LIKE, FLIP)
        await streams.add(MAYA, NotificationKind.COMMENT, FLIP, PostId(78))
    streams.graph.block(WILLY, MAYA)
    streams.hidden.add(PostId(78))
    listed = await streams.list_notifications(MAYA, Window(4), ALL_KINDS)
    assert seqs_of(listed) == [29, 26, 23, 20]
    assert listed.stream.total == 30 - 7  # those down to this page were found hidden
    everything = await streams.list_notifications(MAYA, Window(100), ALL_KINDS)
    assert len(seqs_of(everything)) == 10
    assert everything.stream.unread == {NotificationKind.LIKE: 10}
    assert everything.stream == await streams.find_stream(MAYA)


async def test_a_page_with_too_many_hidden_notifications_is_short_but_has_a_next(
    streams: StreamHarness,
) -> None:
    await streams.add(MAYA, NotificationKind.LIKE, FLIP)
    for _ in range(MAX_ROUNDS * 2):
        await streams.add(MAYA, NotificationKind.LIKE, WILLY)
    streams.graph.block(MAYA, WILLY)
    listed = await streams.list_notifications(MAYA, Window(2), ALL_KINDS)
    assert seqs_of(listed) == []
    assert listed.page.next is not None
    assert seqs_of(await streams.list_notifications(MAYA, listed.page.next, ALL_KINDS)) == [1]


async def test_likes_of_one_post_are_grouped_and_comments_are_not(streams: StreamHarness) -> None:
    people = [UserId(100 + number) for number in range(ACTORS + 2)]
    await streams.add(MAYA, NotificationKind.COMMENT, WILLY)
    for user in people:
        await streams.add(MAYA, NotificationKind.LIKE, user)
    await streams.add(MAYA, NotificationKind.LIKE, WILLY, PostId(78))
    await streams.add(MAYA, NotificationKind.REPOST, WILLY)
    await streams.add(MAYA, NotificationKind.COMMENT, WILLY)
    listed = await streams.list_notifications(MAYA, Window(20), ALL_KINDS, in_groups=True)
    assert [(len(one.newest), one.oldest, one.count) for one in listed.page.items] == [
        (1, 11, 1),
        (1, 10, 1),
        (1, 9, 1),
        (ACTORS, 2, ACTORS + 2),
        (1, 1, 1),
    ]
    assert [one.entry.actor for one in listed.page.items[3].newest] == people[: -ACTORS - 1 : -1]


async def test_hidden_accounts_are_left_out_of_groups(streams: StreamHarness) -> None:
    for actor in (WILLY, FLIP, WILLY, THEKLA):
        await streams.add(MAYA, NotificationKind.LIKE, actor)
    await streams.add(MAYA, NotificationKind.REPOST, WILLY)
    streams.graph.block(WILLY, MAYA)
    (group,) = (await streams.list_notifications(MAYA, Window(5), ALL_KINDS, in_groups=True)).page.items
    assert [one.entry.actor for one in group.newest] == [THEKLA, FLIP]
    assert (group.oldest, group.count) == (2, 2)


@given(
    st.lists(st.tuples(st.sampled_from([NotificationKind.LIKE, NotificationKind.FOLLOW]), st.integers(1, 4))),
    st.integers(1, 4),
)
async def test_pages_of_groups_add_up_to_the_list_in_both_directions(
    news_after: list[tuple[NotificationKind, int]], limit: int
) -> None:
    streams = StreamHarness()
    for kind, post in news_after:
        await streams.add(MAYA, kind, WILLY, PostId(post))
    all_groups = (await streams.list_notifications(MAYA, Window(100), ALL_KINDS, in_groups=True)).page.items
    pages = [(await streams.list_notifications(MAYA, Window(limit), ALL_KINDS, in_groups=True)).page]
    while (following := pages[-1].next) is not None:
        pages.append((await streams.list_notifications(MAYA, following, ALL_KINDS, in_groups=True)).page)
    assert [group for page in pages for group in page.items] == all_groups
    back = [pages[-1]]
    while (before := back[-1].prev) is not None:
        back.append((await streams.list_notifications(MAYA, before, ALL_KINDS, in_groups=True)).page)
    assert [group for page in reversed(back) for group in page.items] == all_groups


async def news_after(streams: StreamHarness, after: int, epoch: str | None = None, limit: int = 3) -> News:
    return await streams.read_news(MAYA, after, epoch, limit)


async def test_entries_after_a_sequence_number_are_read_in_batches(streams: StreamHarness) -> None:
    for actor in (WILLY, FLIP, WILLY, FLIP):
        await streams.add(MAYA, NotificationKind.LIKE, actor)
    await streams.mark_read(MAYA, 1)
    await streams.dismiss(MAYA, 2)
    epoch = (await streams.find_stream(MAYA)).epoch
    first = await news_after(streams, 0, epoch)
    second = await news_after(streams, first.last)
    assert [one.entry.seq for one in (*first.items, *second.items)] == [1, 2, 3, 4, 5, 6]
    assert [one.void for one in first.items] == [False, True, False]
    assert [one.entry.refs for one in second.items] == [(), (1,), (2,)]
    assert [(news.recovered, news.last, news.more) for news in (first, second)] == [
        (True, 3, True),
        (True, 6, False),
    ]
    none = await news_after(streams, 6)
    assert (none.recovered, none.items, none.last, none.more) == (True, [], 6, False)


async def test_entries_found_hidden_do_not_count_and_their_removal_follows(
    streams: StreamHarness,
) -> None:
    await streams.add(MAYA, NotificationKind.LIKE, WILLY)
    await streams.add(MAYA, NotificationKind.LIKE, FLIP)
    streams.graph.block(WILLY, MAYA)
    news = await news_after(streams, 0)
    assert [one.void for one in news.items] == [True, False]
    assert (news.stream.unread, news.more) == ({NotificationKind.LIKE: 1}, True)
    (removed,) = (await news_after(streams, news.last)).items
    assert (removed.entry.type, removed.entry.refs) == (StreamChange.REMOVED, (1,))


async def test_a_number_of_another_epoch_or_below_the_floor_is_not_recovered(streams: StreamHarness) -> None:
    for _ in range(3):
        await streams.add(MAYA)
    async with streams.open_tx() as tx:
        stream = (await tx.streams.lock([MAYA]))[MAYA]
        await tx.streams.cut(MAYA, 3)
        await tx.streams.save([stream.trimmed_to(3, {NotificationKind.LIKE: 2})])
    for news in (
        await news_after(streams, 1),
        await news_after(streams, 3, "another"),
        await news_after(streams, 99, "another"),
    ):
        assert (news.recovered, news.items, news.last, news.more) == (False, (), 3, False)
    assert [one.entry.seq for one in (await news_after(streams, 2)).items] == [3]


async def test_a_number_beyond_the_head_is_refused(streams: StreamHarness) -> None:
    await streams.add(MAYA)
    assert await refused(news_after(streams, 2)) is CursorAhead
    assert await refused(news_after(streams, 2, (await streams.find_stream(MAYA)).epoch)) is CursorAhead


async def test_entries_trimmed_during_a_read_are_not_recovered_partly(streams: StreamHarness) -> None:
    await streams.add(MAYA)
    await streams.add(MAYA)
    stream = await streams.find_stream(MAYA)
    async with streams.open_tx() as tx:  # as if the stream had been read before it was trimmed
        await tx.streams.cut(MAYA, 2)
        await tx.streams.save([replace(stream, floor=1)])
    news = await news_after(streams, 0)
    assert (news.recovered, news.items, news.last) == (False, (), 2)
    assert (await news_after(streams, 2)).recovered
