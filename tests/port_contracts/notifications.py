"""What every store of streams must do: numbers without a gap, counters that are right, and holes."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table

from adapters.sql.notifications import tables
from application.notifications.ports import BATCH, NotificationRef, NotificationsTx, StreamTicket
from application.notifications.trim_streams import STEP, TrimStreams
from application.shared.paging import Page, Window, page
from domain.notifications import (
    MAX_STREAM_ENTRIES,
    RETENTION_DAYS,
    Channel,
    Kind,
    Preferences,
    Stream,
    StreamChange,
    StreamEntry,
)
from domain.shared import MAX_ID, PostId, SessionId, UserId
from tests.port_contracts.process_numbers import db
from tests.port_contracts.stores import BEGINNING, Stores, new_id, with_retries

LIKE, COMMENT, FOLLOW = Kind.LIKE, Kind.COMMENT, Kind.FOLLOW


class OnPurpose(Exception):
    """Rolls a transaction back."""


def a_user() -> UserId:
    return UserId(new_id())


def a_post_id() -> PostId:
    return PostId(new_id())


async def tell_in(
    tx: NotificationsTx,
    users: Collection[UserId],
    kind: Kind = LIKE,
    actor: UserId | None = None,
    post: PostId | None = None,
    key: str | None = None,
) -> list[StreamEntry]:
    """As the module does it: whoever was told under that key before is not told again."""
    streams = await tx.streams.lock(users)
    known = await tx.streams.known([(user, key) for user in users]) if key else {}
    with_entry: list[Stream] = []
    entries: list[StreamEntry] = []
    for user in users:
        if (user, key) not in known:
            with_entry.append(streams[user].with_entry(kind))
            entries.append(StreamEntry(user, with_entry[-1].head, new_id(), kind, actor or a_user(), post))
    await tx.streams.add([(entry, key) for entry in entries])
    await tx.streams.save(with_entry)
    return entries


async def tell(
    stores: Stores,
    user: UserId,
    kind: Kind = LIKE,
    *,
    actor: UserId | None = None,
    post: PostId | None = None,
    key: str | None = None,
) -> StreamEntry | None:
    async with stores.open_notifications() as tx:
        entries = await tell_in(tx, [user], kind, actor, post, key)
    return entries[0] if entries else None


async def with_entry(stores: Stores, user: UserId, *kinds: Kind) -> list[StreamEntry]:
    entries = [await tell(stores, user, kind) for kind in kinds]
    return [entry for entry in entries if entry is not None]


async def change(stores: Stores, user: UserId, what: StreamChange, *refs: int) -> None:
    async with stores.open_notifications() as tx:
        stream = (await tx.streams.lock([user]))[user].with_entry(what)
        await tx.streams.add([(StreamEntry(user, stream.head, new_id(), what, refs=refs), None)])
        await tx.streams.save([stream])


async def remove(stores: Stores, user: UserId, *seqs: int) -> Sequence[tuple[int, Kind]]:
    async with stores.open_notifications() as tx:
        stream = (await tx.streams.lock([user]))[user]
        removed = await tx.streams.remove(user, seqs)
        await tx.streams.save([stream.without_removed(removed)])
    return removed


async def mark(stores: Stores, user: UserId, seq: int) -> Stream:
    async with stores.open_notifications() as tx:
        stream = (await tx.streams.lock([user]))[user]
        newest = await tx.streams.newest_up_to(user, seq)
        stream = stream.read_up_to(newest, await tx.streams.unread_between(user, stream.read, newest))
        await tx.streams.save([stream])
    return stream


async def cut(stores: Stores, user: UserId, floor: int) -> None:
    async with stores.open_notifications() as tx:
        stream = (await tx.streams.lock([user]))[user]
        lost = await tx.streams.unread_between(user, stream.read, floor - 1)
        await tx.streams.cut(user, floor)
        await tx.streams.save([stream.trimmed_to(floor, lost)])


async def stream_of(stores: Stores, user: UserId) -> Stream:
    stream = await stores.streams.stream(user)
    assert stream is not None
    return stream


async def entries_of(stores: Stores, user: UserId) -> Sequence[StreamEntry]:
    """All that is kept, after it has been seen to have no gap and the stream's counters to be right."""
    stream = await stream_of(stores, user)
    entries = await stores.streams.after(user, stream.floor - 1, 10_000)
    assert [entry.seq for entry in entries] == [*range(stream.floor, stream.head + 1)]
    unread = Counter(entry.type for entry in entries if entry.is_notification and not entry.is_read(stream))
    assert dict(stream.unread) == dict(unread)
    return entries


class StreamsContract:
    async def test_a_stream_begins_when_it_is_locked_first(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        assert await stores.streams.stream(user) is None

        async with stores.open_notifications() as tx:
            locked = await tx.streams.lock([user, other])
        stream = await stream_of(stores, user)

        assert locked == {user: stream, other: await stream_of(stores, other)}
        assert (stream.user, stream.floor, stream.head, stream.read, dict(stream.unread)) == (
            user,
            1,
            0,
            0,
            {},
        )
        assert len(stream.epoch) == 16
        assert int(stream.epoch, 16) >= 0

    async def test_a_stream_keeps_its_epoch_until_another_is_saved(self, stores: Stores) -> None:
        user = a_user()
        await with_entry(stores, user, LIKE)
        first = (await stream_of(stores, user)).epoch
        await with_entry(stores, user, LIKE)
        assert (await stream_of(stores, user)).epoch == first

        async with stores.open_notifications() as tx:
            stream = (await tx.streams.lock([user]))[user]
            await tx.streams.save([Stream(user, "f" * 16, 3, 7, 5, {COMMENT: 2})])

        assert stream.epoch == first
        assert await stream_of(stores, user) == Stream(user, "f" * 16, 3, 7, 5, {COMMENT: 2})

    async def test_what_is_told_is_kept_as_it_was(self, stores: Stores) -> None:
        user, actor, post = a_user(), UserId(MAX_ID), PostId(MAX_ID - 1)
        entries = [
            StreamEntry(user, number, new_id(), kind, actor, post)
            for number, kind in enumerate(Kind, start=1)
        ]
        head = len(entries)
        entries.append(StreamEntry(user, head + 1, new_id(), Kind.FOLLOW, actor))
        entries.append(StreamEntry(user, head + 2, new_id(), StreamChange.READ, refs=(5,)))
        entries.append(StreamEntry(user, head + 3, new_id(), StreamChange.REMOVED, refs=tuple(range(1, 101))))
        async with stores.open_notifications() as tx:
            stream = (await tx.streams.lock([user]))[user]
            for entry in entries:
                stream = stream.with_entry(entry.type)
            await tx.streams.add([(entry, None) for entry in entries])
            await tx.streams.save([stream])

        assert await entries_of(stores, user) == entries
        assert await stores.streams.after(user, 1, 2) == entries[1:3]
        assert await stores.streams.after(user, head + 3, 2) == []
        assert await stores.streams.after(a_user(), 0, 2) == []
        assert await stores.streams.entry(user, 1) == entries[0]
        for seq in (0, head + 2, head + 4):
            assert await stores.streams.entry(user, seq) is None

    async def test_a_rollback_leaves_neither_a_gap_nor_a_key(self, stores: Stores) -> None:
        user = a_user()
        first = await tell(stores, user, key="like:1:2")

        async def fail() -> None:
            async with stores.open_notifications() as tx:
                await tell_in(tx, [user], key="like:1:3")
                raise OnPurpose

        with pytest.raises(OnPurpose):
            await fail()
        second = await tell(stores, user, key="like:1:3")

        assert first is not None
        assert second is not None
        assert (first.seq, second.seq) == (1, 2)
        assert await entries_of(stores, user) == [first, second]

    async def test_though_three_in_ten_are_rolled_back_everybody_is_told_everything_once(
        self, stores: Stores
    ) -> None:
        users, chance = [a_user() for _ in range(3)], random.Random(7)  # noqa: S311 - no secret

        async def attempt(key: str) -> None:
            async with stores.open_notifications() as tx:
                await tell_in(tx, users, key=key)
                await asyncio.sleep(0)
                if chance.random() < 0.3:
                    raise OnPurpose

        async def insist(key: str) -> None:
            for _ in range(2):  # everything is delivered twice
                while True:
                    try:
                        await with_retries(partial(attempt, key))
                    except OnPurpose:
                        continue
                    break

        await asyncio.gather(*(insist(f"key {number}") for number in range(20)))

        for user in users:
            assert len(await entries_of(stores, user)) == 20

    async def test_a_key_is_known_to_whom_it_was_told(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        long = "k" * 100
        entry = await tell(stores, user, key=long)
        await tell(stores, other, key="another")
        assert entry is not None
        await remove(stores, user, entry.seq)

        async with stores.open_notifications() as tx:
            asked = [(user, long), (user, "another"), (other, long), (other, "another"), (a_user(), long)]
            assert await tx.streams.known(asked) == {(user, long): (), (other, "another"): ()}
            assert await tx.streams.known([]) == {}

    async def test_a_key_tells_the_refs_also_of_a_hole(self, stores: Stores) -> None:
        user, event = a_user(), new_id()
        async with stores.open_notifications() as tx:
            stream = (await tx.streams.lock([user]))[user].with_entry(LIKE)
            entry = StreamEntry(user, stream.head, new_id(), LIKE, a_user(), a_post_id(), (event,))
            await tx.streams.add([(entry, "one")])
            await tx.streams.save([stream])
        await tell(stores, user, key="two")
        await remove(stores, user, entry.seq)

        async with stores.open_notifications() as tx:
            known = await tx.streams.known([(user, key) for key in ("one", "two", "three")])
        assert known == {(user, "one"): (event,), (user, "two"): ()}
        hole = StreamEntry(user, entry.seq, entry.id, LIKE, refs=(event,), removed=True)
        assert (await entries_of(stores, user))[0] == hole

    async def test_many_are_told_at_once(self, stores: Stores) -> None:
        users = [a_user() for _ in range(BATCH)]
        for key in ("one", "one", "two"):
            async with stores.open_notifications() as tx:
                await tell_in(tx, users[::-1], key=key)

        async with stores.open_notifications() as tx:
            known = await tx.streams.known([(user, key) for user in users for key in ("one", "three")])
        assert known == {(user, "one"): () for user in users}
        for user in users:
            assert [entry.seq for entry in await entries_of(stores, user)] == [1, 2]

    async def test_a_removed_one_is_a_hole(self, stores: Stores) -> None:
        user, post = a_user(), a_post_id()
        entry = await tell(stores, user, post=post)
        await with_entry(stores, user, COMMENT, FOLLOW)
        await change(stores, user, StreamChange.REMOVED, 1, 2)
        assert entry is not None

        assert sorted(await remove(stores, user, 1, 2, 1, 4, 9)) == [(1, LIKE), (2, COMMENT)]
        assert await remove(stores, user, 1, 2) == []

        entries = await entries_of(stores, user)
        assert entries[0] == StreamEntry(user, 1, entry.id, LIKE, removed=True)
        assert [one.seq for one in entries if one.is_notification] == [3]
        assert dict((await stream_of(stores, user)).unread) == {FOLLOW: 1}
        assert await stores.streams.entry(user, 1) is None
        assert [one.seq for one in await stores.streams.latest(user, Window(9), tuple(Kind))] == [3]

    async def test_what_stands_between_is_counted_without_holes_and_changes(self, stores: Stores) -> None:
        user = a_user()
        await with_entry(stores, user, LIKE, LIKE, COMMENT, LIKE)
        await change(stores, user, StreamChange.READ, 1)
        await with_entry(stores, user, FOLLOW)
        await remove(stores, user, 2)

        async with stores.open_notifications() as tx:
            assert dict(await tx.streams.unread_between(user, 0, 6)) == {LIKE: 2, COMMENT: 1, FOLLOW: 1}
            assert dict(await tx.streams.unread_between(user, 1, 4)) == {LIKE: 1, COMMENT: 1}
            assert dict(await tx.streams.unread_between(user, 4, 4)) == {}
            assert [await tx.streams.newest_up_to(user, seq) for seq in (0, 1, 2, 3, 5, 6, 99)] == [
                0, 1, 1, 3, 4, 6, 6
            ]  # fmt: skip

    async def test_the_marker_takes_from_the_counters_what_it_passes(self, stores: Stores) -> None:
        user = a_user()
        await with_entry(stores, user, LIKE, COMMENT, LIKE, FOLLOW)
        await remove(stores, user, 1)

        stream = await mark(stores, user, 3)

        assert (stream.read, dict(stream.unread)) == (3, {FOLLOW: 1})
        assert stream == await stream_of(stores, user)
        assert (await mark(stores, user, 2)).read == 3
        assert (await mark(stores, user, 99)).read == 4

    async def test_what_is_below_the_floor_is_gone_with_its_keys(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        for who in (user, other):
            for key in ("one", "two", "three"):
                await tell(stores, who, key=key)

        await cut(stores, user, 3)

        assert [entry.seq for entry in await entries_of(stores, user)] == [3]
        assert [entry.seq for entry in await entries_of(stores, other)] == [1, 2, 3]
        stream = await stream_of(stores, user)
        assert (stream.floor, stream.head, stream.read, stream.total) == (3, 3, 2, 1)
        async with stores.open_notifications() as tx:
            assert await tx.streams.known([(user, "one"), (user, "three")]) == {(user, "three"): ()}

        await cut(stores, user, 4)
        assert await entries_of(stores, user) == []
        entry = await tell(stores, user)
        assert entry is not None
        assert entry.seq == 4

    async def test_heads_of_many_are_one_question(self, stores: Stores) -> None:
        users = [a_user() for _ in range(3)]
        await with_entry(stores, users[0], LIKE, LIKE)
        await with_entry(stores, users[1], LIKE)

        assert await stores.streams.heads([*users, *map(UserId, range(1, 5_000))]) == {
            users[0]: 2,
            users[1]: 1,
        }
        assert await stores.streams.heads([]) == {}

    async def test_those_who_have_a_stream_are_found_in_the_order_of_their_ids(self, stores: Stores) -> None:
        users = [a_user() for _ in range(5)]
        for user in users[1:]:
            await with_entry(stores, user, LIKE)
        assert await stores.streams.users(users[1], 2) == users[2:4]
        assert await stores.streams.users(users[3], 5) == users[4:]

    async def test_preferences_are_as_they_were_set(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        wishes = Preferences({Channel.APP: {LIKE: False}, Channel.EMAIL: {Kind.MENTION: True}})
        for some in (Preferences(), wishes):
            async with stores.open_notifications() as tx:
                await tx.streams.set_preferences(user, some)

        kept = await stores.streams.preferences(user)
        async with stores.open_notifications() as tx:
            found = await tx.streams.preferences([user, other])
        for one in (kept, found[user]):
            assert [
                (kind, one.wants(kind, Channel.APP)) for kind in Kind if not one.wants(kind, Channel.APP)
            ] == [(LIKE, False)]
            assert [kind for kind in Kind if one.wants(kind, Channel.EMAIL)] == [Kind.MENTION]
        assert found[other] == await stores.streams.preferences(other) == Preferences()

    async def test_tellers_that_race_leave_no_gap_and_tell_once(self, stores: Stores) -> None:
        """Of twenty that tell at once, six take it back; each key is tried by two."""
        user = a_user()

        async def once(number: int) -> None:
            async with stores.open_notifications() as tx:
                entries = await tell_in(tx, [user], (LIKE, COMMENT)[number % 2], key=f"key:{number % 10}")
                await asyncio.sleep(0)
                if number % 10 in {1, 4, 7}:
                    raise OnPurpose
            seen.extend(entries)

        async def patient(number: int) -> None:
            try:
                await with_retries(lambda: once(number))
            except OnPurpose:
                failed.append(number)

        seen: list[StreamEntry] = []
        failed: list[int] = []
        await asyncio.gather(*(patient(number) for number in range(20)))

        entries = await entries_of(stores, user)
        assert len(failed) == 6
        assert sorted(seen, key=lambda entry: entry.seq) == entries
        assert len(entries) == 7

    async def test_nothing_is_left_of_who_is_forgotten(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        async with stores.open_notifications() as tx:
            await tell_in(tx, [user, other], key="one")
            await tx.streams.set_preferences(user, Preferences({Channel.APP: {LIKE: False}}))
        epoch = (await stream_of(stores, user)).epoch

        async with stores.open_notifications() as tx:
            await tx.streams.delete(user)

        assert await stores.streams.stream(user) is None
        assert await stores.streams.after(user, 0, 9) == []
        assert await stores.streams.preferences(user) == Preferences()
        assert len(await entries_of(stores, other)) == 1
        entry = await tell(stores, user, key="one")
        assert entry is not None
        assert entry.seq == 1
        assert (await stream_of(stores, user)).epoch != epoch


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.sampled_from(list(Kind)), st.integers(0, 5)),
        st.tuples(st.just("mark"), st.integers(0, 20)),
        st.tuples(st.just("remove"), st.integers(0, 20), st.integers(0, 20)),
        st.tuples(st.just("cut"), st.integers(1, 20)),
    ),
    max_size=25,
)


class CountersContract:
    @settings(max_examples=30)
    @given(deeds=DEEDS)
    async def test_counters_are_what_counting_finds(
        self, stores: Stores, deeds: Sequence[tuple[str, *tuple[object, ...]]]
    ) -> None:
        user = a_user()
        await with_entry(stores, user, LIKE)
        for deed in deeds:
            stream = await stream_of(stores, user)
            match deed:
                case ("tell", Kind() as kind, int(key)):
                    await tell(stores, user, kind, key=f"{kind}:{key}")
                case ("mark", int(seq)):
                    await mark(stores, user, seq)
                case ("remove", int(one), int(two)):
                    await remove(stores, user, one, two)
                case ("cut", int(floor)):
                    await cut(stores, user, max(stream.floor, min(floor, stream.head + 1)))
            await entries_of(stores, user)


class StreamReaderContract:
    async def test_lists_are_pages_of_the_kinds_that_are_asked_for(self, stores: Stores) -> None:
        user = a_user()
        await with_entry(stores, user, LIKE, COMMENT, FOLLOW, LIKE, COMMENT, LIKE, LIKE)
        await change(stores, user, StreamChange.READ, 3)
        await remove(stores, user, 4)

        async def pages(kinds: Collection[Kind], limit: int) -> list[list[int]]:
            found, window = [], Window(limit)
            while True:
                some: Page[StreamEntry] = page(
                    await stores.streams.latest(user, window, kinds),
                    window,
                    lambda entry: entry.seq,
                    newest_first=True,
                )
                found.append([entry.seq for entry in some.items])
                if some.next is None:
                    return found
                window = some.next

        assert await pages(tuple(Kind), 4) == [[7, 6, 5, 3], [2, 1]]
        assert await pages([LIKE, FOLLOW], 2) == [[7, 6], [3, 1]]
        assert await pages([Kind.EDIT], 2) == [[]]
        back = await stores.streams.latest(user, Window(2, 1, back=True), tuple(Kind))
        assert [entry.seq for entry in back] == [5, 3, 2]

    async def test_what_is_about_a_post_or_of_somebody_is_found(self, stores: Stores) -> None:
        user, other, actor, post = a_user(), a_user(), a_user(), a_post_id()
        await tell(stores, user, LIKE, actor=actor, post=post)
        await tell(stores, user, COMMENT, actor=actor, post=a_post_id())
        await tell(stores, user, FOLLOW, actor=actor)
        await tell(stores, user, LIKE, post=post)
        await tell(stores, other, Kind.MENTION, actor=actor, post=post)
        reader = stores.streams

        assert sorted(await reader.about_post(post, 9)) == sorted(
            [
                NotificationRef(user, 1, LIKE),
                NotificationRef(user, 4, LIKE),
                NotificationRef(other, 1, Kind.MENTION),
            ]
        )
        assert sorted(await reader.by_actor(actor, 9)) == sorted(
            [
                NotificationRef(user, 1, LIKE),
                NotificationRef(user, 2, COMMENT),
                NotificationRef(user, 3, FOLLOW),
                NotificationRef(other, 1, Kind.MENTION),
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
            == [NotificationRef(other, 1, Kind.MENTION)]
        )
        assert await reader.between(user, actor) == []


NOW = BEGINNING + timedelta(days=365)


def id_made(ago: timedelta) -> int:
    return int((NOW - ago).timestamp() * 1000) << 16


class TrimmingContract:
    async def test_what_is_too_old_goes_and_counts_as_read(self, stores: Stores) -> None:
        user, young, idle = a_user(), a_user(), a_user()
        month, moment = timedelta(days=RETENTION_DAYS), timedelta(milliseconds=1)
        ages = (month * 2, month + moment, month, timedelta())
        await tell_aged(stores, user, *ages)
        await tell_aged(stores, young, *ages[2:])
        await tell_aged(stores, idle, *ages[:2])
        trim = TrimStreams(stores.open_notifications, stores.streams, lambda: NOW)

        assert sorted(await stores.streams.streams_to_trim(NOW - month, 9)) == [(user, 3), (idle, 3)]
        assert len(await stores.streams.streams_to_trim(NOW - month, 1)) == 1
        await trim()

        assert await stores.streams.streams_to_trim(NOW - month, 9) == []
        assert [entry.seq for entry in await entries_of(stores, user)] == [3, 4]
        assert [entry.seq for entry in await entries_of(stores, young)] == [1, 2]
        assert await entries_of(stores, idle) == []
        assert [(await stream_of(stores, one)).floor for one in (user, young, idle)] == [3, 1, 3]
        assert (await stream_of(stores, user)).read == 2

    async def test_of_a_long_stream_the_newest_stay(self, stores: Stores) -> None:
        user = a_user()
        await tell_aged(stores, user, *[timedelta()] * (MAX_STREAM_ENTRIES + STEP + 7))

        await TrimStreams(stores.open_notifications, stores.streams, lambda: NOW)()

        entries = await entries_of(stores, user)
        assert (len(entries), entries[0].seq) == (MAX_STREAM_ENTRIES, STEP + 8)
        assert (await stream_of(stores, user)).total == MAX_STREAM_ENTRIES

    async def test_who_was_forgotten_meanwhile_does_not_come_back(self, stores: Stores) -> None:
        user = a_user()
        await tell_aged(stores, user, timedelta(days=RETENTION_DAYS + 1))
        forgetful = Forgetful(stores, user)

        await TrimStreams(stores.open_notifications, forgetful, lambda: NOW)()  # type: ignore[arg-type]

        assert await stores.streams.stream(user) is None


@dataclass
class Forgetful:
    """Whose answer is outdated when it is given."""

    stores: Stores
    user: UserId

    async def streams_to_trim(self, before: datetime, limit: int) -> Sequence[tuple[UserId, int]]:
        found = await self.stores.streams.streams_to_trim(before, limit)
        async with self.stores.open_notifications() as tx:
            await tx.streams.delete(self.user)
        return found


async def tell_aged(stores: Stores, user: UserId, *ages: timedelta) -> None:
    async with stores.open_notifications() as tx:
        stream = (await tx.streams.lock([user]))[user]
        entries = []
        for age in ages:
            stream = stream.with_entry(LIKE)
            entries.append(
                (StreamEntry(user, stream.head, id_made(age), LIKE, a_user()), f"key:{stream.head}")
            )
        await tx.streams.add(entries)
        await tx.streams.save([stream])


async def traces_of(stores: Stores, user: UserId) -> set[str]:
    """The tables of the module in which the user's id stands anywhere."""
    found = set()
    async with db(stores).begin() as connection:
        for table in vars(tables).values():
            if isinstance(table, Table):
                rows = (await connection.execute(table.select())).all()
                found |= {table.name for row in rows if any(str(user) in str(value) for value in row)}
    return found


class ForgettingContract:
    """Of databases, where one can look."""

    async def test_nothing_names_who_is_forgotten(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        entry = await tell(stores, user, key=f"like:7:{other}")
        await tell(stores, other, actor=user, key=f"like:7:{user}")
        assert entry is not None
        async with stores.open_notifications() as tx:
            await tx.streams.lock([user])
            await tx.streams.set_preferences(user, Preferences({Channel.APP: {LIKE: False}}))
            await tx.streams.schedule_mail(user, entry.seq, BEGINNING)
        await stores.tickets.add(*a_ticket(user), LASTS)
        assert len(await traces_of(stores, user)) == 5

        async with stores.open_notifications() as tx:
            await tx.streams.delete(user)

        assert await traces_of(stores, user) == {"stream_entries"}  # as who did something
        found = await stores.streams.by_actor(user, 9)
        await remove(stores, other, *[one.seq for one in found])
        assert await traces_of(stores, user) == set()


LASTS = timedelta(seconds=30)


def a_ticket(user: UserId | None = None) -> tuple[bytes, StreamTicket]:
    until = BEGINNING + timedelta(minutes=10, milliseconds=7)
    return os.urandom(32), StreamTicket(user or a_user(), SessionId(new_id()), until)


class TicketsContract:
    async def test_a_ticket_is_good_once(self, stores: Stores) -> None:
        (digest, ticket), (other_digest, other) = a_ticket(), a_ticket()
        await stores.tickets.add(digest, ticket, LASTS)
        await stores.tickets.add(other_digest, other, LASTS)

        assert await stores.tickets.redeem(digest) == ticket
        assert await stores.tickets.redeem(digest) is None
        assert await stores.tickets.redeem(other_digest) == other
        assert await stores.tickets.redeem(os.urandom(32)) is None

    async def test_of_many_who_try_at_once_one_gets_it(self, stores: Stores) -> None:
        digest, ticket = a_ticket()
        await stores.tickets.add(digest, ticket, LASTS)

        got = await asyncio.gather(*(with_retries(lambda: stores.tickets.redeem(digest)) for _ in range(50)))

        assert [one for one in got if one is not None] == [ticket]

    async def test_a_ticket_has_its_time(self, stores: Stores) -> None:
        young, old = a_ticket(), a_ticket()
        await stores.tickets.add(*old, LASTS)
        await stores.pass_time(LASTS - timedelta(seconds=10))
        await stores.tickets.add(*young, LASTS)
        await stores.pass_time(timedelta(seconds=11))

        assert await stores.tickets.redeem(old[0]) is None
        assert await stores.tickets.redeem(young[0]) == young[1]

    async def test_tickets_go_with_who_asked_for_them(self, stores: Stores) -> None:
        (digest, ticket), (other_digest, other) = a_ticket(), a_ticket()
        await stores.tickets.add(digest, ticket, LASTS)
        await stores.tickets.add(other_digest, other, LASTS)

        async with stores.open_notifications() as tx:
            await tx.streams.delete(ticket.user)

        assert await stores.tickets.redeem(digest) is None
        assert await stores.tickets.redeem(other_digest) == other
