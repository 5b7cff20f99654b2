"""The contracts of reading and trimming streams, and of their counters under random changes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from application.notifications.ports import NotificationRef
from application.notifications.stream_maintenance import STEP, TrimStreams
from application.shared.paging import Page, Window, page
from domain.notifications import (
    MAX_STREAM_ENTRIES,
    RETENTION_DAYS,
    NotificationKind,
    StreamChange,
    StreamEntry,
)
from domain.shared import UserId
from tests.port_contracts.stores import BEGINNING, Stores
from tests.port_contracts.stream_data import (
    COMMENT,
    FOLLOW,
    LIKE,
    a_post_id,
    a_user,
    add_change,
    cut,
    entries_of,
    mark_read,
    notify,
    notify_kinds,
    remove,
    stream_of,
    unread_by_type,
)

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("notify"), st.sampled_from(list(NotificationKind)), st.integers(0, 5)),
        st.tuples(st.just("mark"), st.integers(0, 20)),
        st.tuples(st.just("remove"), st.integers(0, 20), st.integers(0, 20)),
        st.tuples(st.just("cut"), st.integers(1, 20)),
    ),
    max_size=25,
)


class StreamCountersContract:
    @settings(max_examples=30)
    @given(actions=ACTIONS)
    async def test_counters_equal_a_recount(
        self, stores: Stores, actions: Sequence[tuple[str, *tuple[object, ...]]]
    ) -> None:
        user = a_user()
        await notify_kinds(stores, user, LIKE)
        for action in actions:
            stream = await stream_of(stores, user)
            match action:
                case ("notify", NotificationKind() as kind, int(key)):
                    await notify(stores, user, kind, key=f"{kind}:{key}")
                case ("mark", int(seq)):
                    await mark_read(stores, user, seq)
                case ("remove", int(one), int(two)):
                    await remove(stores, user, one, two)
                case ("cut", int(floor)):
                    await cut(stores, user, max(stream.floor, min(floor, stream.head + 1)))
            stream, entries = await stream_of(stores, user), await entries_of(stores, user)

            assert [entry.seq for entry in entries] == [*range(stream.floor, stream.head + 1)]
            assert dict(stream.unread) == unread_by_type(stream, entries)


class StreamReaderContract:
    async def test_lists_are_pages_of_the_requested_kinds(self, stores: Stores) -> None:
        user = a_user()
        await notify_kinds(stores, user, LIKE, COMMENT, FOLLOW, LIKE, COMMENT, LIKE, LIKE)
        await add_change(stores, user, StreamChange.READ, 3)
        await remove(stores, user, 4)

        async def pages(kinds: Collection[NotificationKind], limit: int) -> list[list[int]]:
            found, window = [], Window(limit)
            while True:
                some: Page[StreamEntry] = page(
                    await stores.notifications.reader.latest(user, window, kinds),
                    window,
                    lambda entry: entry.seq,
                    newest_first=True,
                )
                found.append([entry.seq for entry in some.items])
                if some.next is None:
                    return found
                window = some.next

        assert await pages(tuple(NotificationKind), 4) == [[7, 6, 5, 3], [2, 1]]
        assert await pages([LIKE, FOLLOW], 2) == [[7, 6], [3, 1]]
        assert await pages([NotificationKind.EDIT], 2) == [[]]
        back = await stores.notifications.reader.latest(
            user, Window(2, 1, back=True), tuple(NotificationKind)
        )
        assert [entry.seq for entry in back] == [5, 3, 2]

    async def test_notifications_are_found_by_post_and_by_actor(self, stores: Stores) -> None:
        user, other, actor, post = a_user(), a_user(), a_user(), a_post_id()
        await notify(stores, user, LIKE, actor=actor, post=post)
        await notify(stores, user, COMMENT, actor=actor, post=a_post_id())
        await notify(stores, user, FOLLOW, actor=actor)
        await notify(stores, user, LIKE, post=post)
        await notify(stores, other, NotificationKind.MENTION, actor=actor, post=post)
        reader = stores.notifications.reader

        assert sorted(await reader.about_post(post, 9)) == sorted(
            [
                NotificationRef(user, 1, LIKE),
                NotificationRef(user, 4, LIKE),
                NotificationRef(other, 1, NotificationKind.MENTION),
            ]
        )
        assert sorted(await reader.by_actor(actor, 9)) == sorted(
            [
                NotificationRef(user, 1, LIKE),
                NotificationRef(user, 2, COMMENT),
                NotificationRef(user, 3, FOLLOW),
                NotificationRef(other, 1, NotificationKind.MENTION),
            ]
        )
        assert len(await reader.about_post(post, 2)) == len(await reader.by_actor(actor, 2)) == 2
        assert {one.seq for one in await reader.between(user, actor)} == {1, 2, 3}
        assert [one.seq for one in await reader.between(user, actor, [FOLLOW])] == [3]
        assert await reader.between(user, actor, [LIKE, COMMENT], post) == [NotificationRef(user, 1, LIKE)]
        assert await reader.between(user, actor, ()) == []

        await remove(stores, user, 1, 2, 3, 4)
        assert (
            await reader.about_post(post, 9)
            == await reader.by_actor(actor, 9)
            == [NotificationRef(other, 1, NotificationKind.MENTION)]
        )
        assert await reader.between(user, actor) == []


NOW = BEGINNING + timedelta(days=365)


def id_of_age(ago: timedelta) -> int:
    return int((NOW - ago).timestamp() * 1000) << 16


class TrimStreamsContract:
    async def test_trimming_deletes_old_entries_which_count_as_read(self, stores: Stores) -> None:
        user, young, idle = a_user(), a_user(), a_user()
        month, moment = timedelta(days=RETENTION_DAYS), timedelta(milliseconds=1)
        ages = (month * 2, month + moment, month, timedelta())
        await add_aged(stores, user, *ages)
        await add_aged(stores, young, *ages[2:])
        await add_aged(stores, idle, *ages[:2])
        trim = TrimStreams(stores.notifications.open_tx, stores.notifications.reader, lambda: NOW)

        assert sorted(await stores.notifications.reader.streams_to_trim(NOW - month, 9)) == [
            (user, 3),
            (idle, 3),
        ]
        assert len(await stores.notifications.reader.streams_to_trim(NOW - month, 1)) == 1
        await trim()

        assert await stores.notifications.reader.streams_to_trim(NOW - month, 9) == []
        assert [entry.seq for entry in await entries_of(stores, user)] == [3, 4]
        assert [entry.seq for entry in await entries_of(stores, young)] == [1, 2]
        assert await entries_of(stores, idle) == []
        assert [(await stream_of(stores, one)).floor for one in (user, young, idle)] == [3, 1, 3]
        assert (await stream_of(stores, user)).read == 2

    async def test_trimming_keeps_the_newest_entries_of_a_long_stream(self, stores: Stores) -> None:
        user = a_user()
        await add_aged(stores, user, *[timedelta()] * (MAX_STREAM_ENTRIES + STEP + 7))

        await TrimStreams(stores.notifications.open_tx, stores.notifications.reader, lambda: NOW)()

        entries = await entries_of(stores, user)
        assert (len(entries), entries[0].seq) == (MAX_STREAM_ENTRIES, STEP + 8)
        assert (await stream_of(stores, user)).total == MAX_STREAM_ENTRIES

    async def test_trimming_does_not_recreate_a_deleted_stream(self, stores: Stores) -> None:
        user = a_user()
        await add_aged(stores, user, timedelta(days=RETENTION_DAYS + 1))
        deletes_meanwhile = DeletesMeanwhile(stores, user)

        await TrimStreams(stores.notifications.open_tx, deletes_meanwhile, lambda: NOW)()  # type: ignore[arg-type]

        assert await stores.notifications.reader.stream(user) is None


@dataclass
class DeletesMeanwhile:
    """A reader whose answer is outdated by the time it is returned."""

    stores: Stores
    user: UserId

    async def streams_to_trim(self, before: datetime, limit: int) -> Sequence[tuple[UserId, int]]:
        found = await self.stores.notifications.reader.streams_to_trim(before, limit)
        async with self.stores.notifications.open_tx() as tx:
            await tx.streams.delete(self.user)
        return found


async def add_aged(stores: Stores, user: UserId, *ages: timedelta) -> None:
    async with stores.notifications.open_tx() as tx:
        stream = (await tx.streams.lock([user]))[user]
        entries = []
        for age in ages:
            stream = stream.with_entry(LIKE)
            entries.append(
                (StreamEntry(user, stream.head, id_of_age(age), LIKE, a_user()), f"key:{stream.head}")
            )
        await tx.streams.add(entries)
        await tx.streams.save([stream])
