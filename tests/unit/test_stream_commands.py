"""Commands of a user on their stream: mark as read, dismiss, set preferences; and the renewal of streams."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from application.notifications.commands import NoSuchNotification
from application.notifications.ports import BATCH
from application.notifications.remove import AT_ONCE
from application.notifications.stream_maintenance import RenewStreams
from application.shared.paging import Window
from domain.notifications import Channel, NotificationKind, Preferences, StreamChange
from domain.shared import PostId, UserId
from tests.unit.people import refused
from tests.unit.stream_harness import StreamHarness

MAYA, WILLY = UserId(1), UserId(2)


@pytest.fixture
async def streams() -> StreamHarness:
    """Maya has notifications of three likes and a follow."""
    streams = StreamHarness()
    for kind in (
        NotificationKind.LIKE,
        NotificationKind.FOLLOW,
        NotificationKind.LIKE,
        NotificationKind.LIKE,
    ):
        await streams.add(MAYA, kind, WILLY)
    return streams


async def changes(streams: StreamHarness) -> list[tuple[int, object, tuple[int, ...]]]:
    entries = await streams.reader.after(MAYA, 0, 1_000)
    return [(one.seq, one.type, one.refs) for one in entries if isinstance(one.type, StreamChange)]


async def test_the_marker_moves_to_the_newest_notification_and_adds_one_entry(streams: StreamHarness) -> None:
    after = await streams.mark_read(MAYA, 2)
    assert (after.read, after.unread) == (2, {NotificationKind.LIKE: 2})
    assert await streams.find_stream(MAYA) == after
    assert await changes(streams) == [(5, StreamChange.READ, (2,))]
    assert streams.hinted_users == [MAYA]


@pytest.mark.parametrize("seq", [0, 1, 2])
async def test_the_marker_never_moves_back_and_adds_no_entry_if_it_passes_nothing(
    streams: StreamHarness, seq: int
) -> None:
    before = await streams.mark_read(MAYA, 2)
    streams.hinted_users.clear()
    assert await streams.mark_read(MAYA, seq) == before
    assert len(await changes(streams)) == 1
    assert streams.hinted_users == []


async def test_a_number_beyond_the_head_marks_all_as_read_and_two_devices_stop_answering(
    streams: StreamHarness,
) -> None:
    first = await streams.mark_read(MAYA, 9_999)
    again = await streams.mark_read(MAYA, first.head)  # the number of the READ entry itself
    assert (first.read, first.total, first.head, again) == (4, 0, 5, first)


async def test_moving_the_marker_past_a_removed_notification_adds_no_entry(streams: StreamHarness) -> None:
    await streams.dismiss(MAYA, 1)
    before = await streams.find_stream(MAYA)
    assert await streams.mark_read(MAYA, 1) == before


async def test_marking_as_read_without_a_stream_changes_nothing() -> None:
    assert (await StreamHarness().mark_read(WILLY, 7)).head == 0


async def test_a_dismissed_notification_is_removed_once_and_leaves_the_counters(
    streams: StreamHarness,
) -> None:
    await streams.mark_read(MAYA, 1)
    for seq in (1, 4, 4):
        await streams.dismiss(MAYA, seq)
    after = await streams.find_stream(MAYA)
    assert after.unread == {NotificationKind.FOLLOW: 1, NotificationKind.LIKE: 1}
    assert [entry.seq for entry in await streams.reader.latest(MAYA, Window(9), tuple(NotificationKind))] == [
        3,
        2,
    ]
    assert (await changes(streams))[1:] == [(6, StreamChange.REMOVED, (1,)), (7, StreamChange.REMOVED, (4,))]
    assert streams.hinted_users == [MAYA] * 3


@pytest.mark.parametrize("seq", [5, 6, 999])
async def test_only_notifications_can_be_dismissed(streams: StreamHarness, seq: int) -> None:
    await streams.mark_read(MAYA, 4)
    assert await refused(streams.dismiss(MAYA, seq)) is NoSuchNotification
    assert await refused(streams.dismiss(WILLY, seq)) is NoSuchNotification


async def test_dismissing_all_adds_one_entry_per_hundred(streams: StreamHarness) -> None:
    for number in range(2 * AT_ONCE):
        await streams.add(MAYA, NotificationKind.LIKE, WILLY, PostId(number))
    await streams.dismiss.all(MAYA)
    after = await streams.find_stream(MAYA)
    assert (after.unread, await streams.reader.latest(MAYA, Window(9), tuple(NotificationKind))) == ({}, [])
    assert [len(refs) for _, _, refs in await changes(streams)] == [100, 100, 4]
    await streams.dismiss.all(MAYA)
    await streams.dismiss.all(WILLY)
    assert await streams.find_stream(MAYA) == after


async def test_removing_many_adds_one_entry_per_hundred(streams: StreamHarness) -> None:
    for number in range(AT_ONCE):
        await streams.add(MAYA, NotificationKind.LIKE, WILLY, PostId(number))
    await streams.remove(MAYA, range(1, 500))
    assert [len(refs) for _, _, refs in await changes(streams)] == [100, 4]
    assert (await streams.find_stream(MAYA)).head == 106


async def test_concurrent_commands_leave_exact_counters(streams: StreamHarness) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(1, 40):
            group.create_task(
                streams.add(MAYA, (NotificationKind.LIKE, NotificationKind.COMMENT)[number % 2], WILLY)
            )
            group.create_task(streams.mark_read(MAYA, number // 2))
            group.create_task(streams.remove(MAYA, [number, number + 1]))
    stream = await streams.find_stream(MAYA)
    async with streams.open_tx() as tx:
        assert await tx.streams.unread_between(MAYA, stream.read, stream.head) == stream.unread
    entries = await streams.reader.after(MAYA, 0, 1_000)
    assert [entry.seq for entry in entries] == [*range(1, stream.head + 1)]


async def test_preferences_change_only_the_given_kinds(streams: StreamHarness) -> None:
    assert await streams.reader.preferences(MAYA) == Preferences()
    await streams.set_preferences(MAYA, {Channel.APP: {NotificationKind.LIKE: False}})
    await streams.set_preferences(
        MAYA, {Channel.APP: {NotificationKind.REPOST: False}, Channel.EMAIL: {NotificationKind.MENTION: True}}
    )
    now = await streams.reader.preferences(MAYA)
    unwanted = [kind for kind in NotificationKind if not now.wants(kind, Channel.APP)]
    mailed = [kind for kind in NotificationKind if now.wants(kind, Channel.EMAIL)]
    assert (unwanted, mailed) == (
        [NotificationKind.LIKE, NotificationKind.REPOST],
        [NotificationKind.MENTION],
    )


async def test_renewing_gives_every_stream_a_new_epoch_and_changes_nothing_else() -> None:
    streams = StreamHarness()
    users = [UserId(number) for number in range(1, 2 * BATCH + 2)]
    for user in users:
        await streams.add(user)
    before = [await streams.find_stream(user) for user in users]
    numbers = itertools.count()
    renew = RenewStreams(streams.open_tx, streams.reader, lambda size: next(numbers).to_bytes(size))
    assert await renew() == len(users)
    after = [await streams.find_stream(user) for user in users]
    assert len({stream.epoch for stream in (*before, *after)}) == 2 * len(users)
    assert [replace(stream, epoch="") for stream in after] == [replace(one, epoch="") for one in before]
    assert {len(stream.epoch) for stream in after} == {16}
