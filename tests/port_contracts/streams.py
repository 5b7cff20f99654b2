"""The contract of stores of streams: numbers without gaps, exact counters, and tombstones."""

import asyncio
import random
from functools import partial

import pytest

from application.notifications.ports import BATCH
from application.shared.paging import Window
from domain.notifications import (
    Channel,
    NotificationKind,
    Preferences,
    Stream,
    StreamChange,
    StreamEntry,
)
from domain.shared import MAX_ID, PostId, UserId
from tests.port_contracts.stores import Stores, new_id, with_retries
from tests.port_contracts.stream_data import (
    COMMENT,
    FOLLOW,
    LIKE,
    Rollback,
    a_post_id,
    a_user,
    add_change,
    cut,
    entries_of,
    mark_read,
    notify,
    notify_in,
    notify_kinds,
    remove,
    stream_of,
)


class StreamsContract:
    async def test_the_first_lock_creates_the_stream(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        assert await stores.notifications.reader.stream(user) is None

        async with stores.notifications.open_tx() as tx:
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
        await notify_kinds(stores, user, LIKE)
        first = (await stream_of(stores, user)).epoch
        await notify_kinds(stores, user, LIKE)
        assert (await stream_of(stores, user)).epoch == first

        async with stores.notifications.open_tx() as tx:
            stream = (await tx.streams.lock([user]))[user]
            await tx.streams.save([Stream(user, "f" * 16, 3, 7, 5, {COMMENT: 2})])

        assert stream.epoch == first
        assert await stream_of(stores, user) == Stream(user, "f" * 16, 3, 7, 5, {COMMENT: 2})

    async def test_entries_are_stored_completely(self, stores: Stores) -> None:
        user, actor, post = a_user(), UserId(MAX_ID), PostId(MAX_ID - 1)
        entries = [
            StreamEntry(user, number, new_id(), kind, actor, post)
            for number, kind in enumerate(NotificationKind, start=1)
        ]
        head = len(entries)
        entries.append(StreamEntry(user, head + 1, new_id(), NotificationKind.FOLLOW, actor))
        entries.append(StreamEntry(user, head + 2, new_id(), StreamChange.READ, refs=(5,)))
        entries.append(StreamEntry(user, head + 3, new_id(), StreamChange.REMOVED, refs=tuple(range(1, 101))))
        async with stores.notifications.open_tx() as tx:
            stream = (await tx.streams.lock([user]))[user]
            for entry in entries:
                stream = stream.with_entry(entry.type)
            await tx.streams.add([(entry, None) for entry in entries])
            await tx.streams.save([stream])

        assert await entries_of(stores, user) == entries
        assert await stores.notifications.reader.after(user, 1, 2) == entries[1:3]
        assert await stores.notifications.reader.after(user, head + 3, 2) == []
        assert await stores.notifications.reader.after(a_user(), 0, 2) == []
        assert await stores.notifications.reader.entry(user, 1) == entries[0]
        for seq in (0, head + 2, head + 4):
            assert await stores.notifications.reader.entry(user, seq) is None

    async def test_a_rollback_leaves_neither_a_gap_nor_a_key(self, stores: Stores) -> None:
        user = a_user()
        first = await notify(stores, user, key="like:1:2")

        async def fail() -> None:
            async with stores.notifications.open_tx() as tx:
                await notify_in(tx, [user], key="like:1:3")
                raise Rollback

        with pytest.raises(Rollback):
            await fail()
        second = await notify(stores, user, key="like:1:3")

        assert first is not None
        assert second is not None
        assert (first.seq, second.seq) == (1, 2)
        assert await entries_of(stores, user) == [first, second]

    async def test_with_random_rollbacks_and_retries_every_user_gets_each_notification_once(
        self, stores: Stores
    ) -> None:
        users, chance = [a_user() for _ in range(3)], random.Random(7)  # noqa: S311 - no secret

        async def attempt(key: str) -> None:
            async with stores.notifications.open_tx() as tx:
                await notify_in(tx, users, key=key)
                await asyncio.sleep(0)
                if chance.random() < 0.3:
                    raise Rollback

        async def insist(key: str) -> None:
            for _ in range(2):  # everything is delivered twice
                while True:
                    try:
                        await with_retries(partial(attempt, key))
                    except Rollback:
                        continue
                    break

        await asyncio.gather(*(insist(f"key {number}") for number in range(20)))

        for user in users:
            assert len(await entries_of(stores, user)) == 20

    async def test_dedupe_keys_are_known_per_user(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        long = "k" * 100
        entry = await notify(stores, user, key=long)
        await notify(stores, other, key="another")
        assert entry is not None
        await remove(stores, user, entry.seq)

        async with stores.notifications.open_tx() as tx:
            asked = [(user, long), (user, "another"), (other, long), (other, "another"), (a_user(), long)]
            assert await tx.streams.known(asked) == {(user, long): (), (other, "another"): ()}
            assert await tx.streams.known([]) == {}

    async def test_known_dedupe_keys_include_those_of_tombstones(self, stores: Stores) -> None:
        user, event = a_user(), new_id()
        async with stores.notifications.open_tx() as tx:
            stream = (await tx.streams.lock([user]))[user].with_entry(LIKE)
            entry = StreamEntry(user, stream.head, new_id(), LIKE, a_user(), a_post_id(), (event,))
            await tx.streams.add([(entry, "one")])
            await tx.streams.save([stream])
        await notify(stores, user, key="two")
        await remove(stores, user, entry.seq)

        async with stores.notifications.open_tx() as tx:
            known = await tx.streams.known([(user, key) for key in ("one", "two", "three")])
        assert known == {(user, "one"): (event,), (user, "two"): ()}
        hole = StreamEntry(user, entry.seq, entry.id, LIKE, refs=(event,), removed=True)
        assert (await entries_of(stores, user))[0] == hole

    async def test_many_users_are_notified_at_once(self, stores: Stores) -> None:
        users = [a_user() for _ in range(BATCH)]
        for key in ("one", "one", "two"):
            async with stores.notifications.open_tx() as tx:
                await notify_in(tx, users[::-1], key=key)

        async with stores.notifications.open_tx() as tx:
            known = await tx.streams.known([(user, key) for user in users for key in ("one", "three")])
        assert known == {(user, "one"): () for user in users}
        for user in users:
            assert [entry.seq for entry in await entries_of(stores, user)] == [1, 2]

    async def test_a_removed_notification_becomes_a_tombstone(self, stores: Stores) -> None:
        user, post = a_user(), a_post_id()
        entry = await notify(stores, user, post=post)
        await notify_kinds(stores, user, COMMENT, FOLLOW)
        await add_change(stores, user, StreamChange.REMOVED, 1, 2)
        assert entry is not None

        assert sorted(await remove(stores, user, 1, 2, 1, 4, 9)) == [(1, LIKE), (2, COMMENT)]
        assert await remove(stores, user, 1, 2) == []

        entries = await entries_of(stores, user)
        assert entries[0] == StreamEntry(user, 1, entry.id, LIKE, removed=True)
        assert [one.seq for one in entries if one.is_notification] == [3]
        assert dict((await stream_of(stores, user)).unread) == {FOLLOW: 1}
        assert await stores.notifications.reader.entry(user, 1) is None
        assert [
            one.seq
            for one in await stores.notifications.reader.latest(user, Window(9), tuple(NotificationKind))
        ] == [3]

    async def test_ranges_are_counted_without_tombstones_and_changes(self, stores: Stores) -> None:
        user = a_user()
        await notify_kinds(stores, user, LIKE, LIKE, COMMENT, LIKE)
        await add_change(stores, user, StreamChange.READ, 1)
        await notify_kinds(stores, user, FOLLOW)
        await remove(stores, user, 2)

        async with stores.notifications.open_tx() as tx:
            assert dict(await tx.streams.unread_between(user, 0, 6)) == {LIKE: 2, COMMENT: 1, FOLLOW: 1}
            assert dict(await tx.streams.unread_between(user, 1, 4)) == {LIKE: 1, COMMENT: 1}
            assert dict(await tx.streams.unread_between(user, 4, 4)) == {}
            assert [await tx.streams.newest_up_to(user, seq) for seq in (0, 1, 2, 3, 5, 6, 99)] == [
                0, 1, 1, 3, 4, 6, 6
            ]  # fmt: skip

    async def test_moving_the_read_marker_reduces_the_counters(self, stores: Stores) -> None:
        user = a_user()
        await notify_kinds(stores, user, LIKE, COMMENT, LIKE, FOLLOW)
        await remove(stores, user, 1)

        stream = await mark_read(stores, user, 3)

        assert (stream.read, dict(stream.unread)) == (3, {FOLLOW: 1})
        assert stream == await stream_of(stores, user)
        assert (await mark_read(stores, user, 2)).read == 3
        assert (await mark_read(stores, user, 99)).read == 4

    async def test_trimming_deletes_entries_and_their_dedupe_keys(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        for who in (user, other):
            for key in ("one", "two", "three"):
                await notify(stores, who, key=key)

        await cut(stores, user, 3)

        assert [entry.seq for entry in await entries_of(stores, user)] == [3]
        assert [entry.seq for entry in await entries_of(stores, other)] == [1, 2, 3]
        stream = await stream_of(stores, user)
        assert (stream.floor, stream.head, stream.read, stream.total) == (3, 3, 2, 1)
        async with stores.notifications.open_tx() as tx:
            assert await tx.streams.known([(user, "one"), (user, "three")]) == {(user, "three"): ()}

        await cut(stores, user, 4)
        assert await entries_of(stores, user) == []
        entry = await notify(stores, user)
        assert entry is not None
        assert entry.seq == 4

    async def test_heads_of_many_users_are_one_query(self, stores: Stores) -> None:
        users = [a_user() for _ in range(3)]
        await notify_kinds(stores, users[0], LIKE, LIKE)
        await notify_kinds(stores, users[1], LIKE)

        assert await stores.notifications.reader.heads([*users, *map(UserId, range(1, 5_000))]) == {
            users[0]: 2,
            users[1]: 1,
        }
        assert await stores.notifications.reader.heads([]) == {}

    async def test_users_with_a_stream_are_listed_by_id(self, stores: Stores) -> None:
        users = [a_user() for _ in range(5)]
        for user in users[1:]:
            await notify_kinds(stores, user, LIKE)
        assert await stores.notifications.reader.users(users[1], 2) == users[2:4]
        assert await stores.notifications.reader.users(users[3], 5) == users[4:]

    async def test_preferences_are_stored(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        preferences = Preferences(
            {Channel.APP: {LIKE: False}, Channel.EMAIL: {NotificationKind.MENTION: True}}
        )
        for some in (Preferences(), preferences):
            async with stores.notifications.open_tx() as tx:
                await tx.streams.set_preferences(user, some)

        kept = await stores.notifications.reader.preferences(user)
        async with stores.notifications.open_tx() as tx:
            found = await tx.streams.preferences([user, other])
        for one in (kept, found[user]):
            assert [
                (kind, one.wants(kind, Channel.APP))
                for kind in NotificationKind
                if not one.wants(kind, Channel.APP)
            ] == [(LIKE, False)]
            assert [kind for kind in NotificationKind if one.wants(kind, Channel.EMAIL)] == [
                NotificationKind.MENTION
            ]
        assert found[other] == await stores.notifications.reader.preferences(other) == Preferences()

    async def test_concurrent_notifications_leave_no_gap_and_no_duplicate(self, stores: Stores) -> None:
        """Twenty transactions use ten keys twice each; six of them roll back."""
        user = a_user()

        async def attempt_once(number: int) -> None:
            async with stores.notifications.open_tx() as tx:
                entries = await notify_in(tx, [user], (LIKE, COMMENT)[number % 2], key=f"key:{number % 10}")
                await asyncio.sleep(0)
                if number % 10 in {1, 4, 7}:
                    raise Rollback
            seen.extend(entries)

        async def attempt(number: int) -> None:
            try:
                await with_retries(lambda: attempt_once(number))
            except Rollback:
                failed.append(number)

        seen: list[StreamEntry] = []
        failed: list[int] = []
        await asyncio.gather(*(attempt(number) for number in range(20)))

        entries = await entries_of(stores, user)
        assert len(failed) == 6
        assert sorted(seen, key=lambda entry: entry.seq) == entries
        assert len(entries) == 7

    async def test_deleting_a_stream_leaves_nothing_of_it(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        async with stores.notifications.open_tx() as tx:
            await notify_in(tx, [user, other], key="one")
            await tx.streams.set_preferences(user, Preferences({Channel.APP: {LIKE: False}}))
        epoch = (await stream_of(stores, user)).epoch

        async with stores.notifications.open_tx() as tx:
            await tx.streams.delete(user)

        assert await stores.notifications.reader.stream(user) is None
        assert await stores.notifications.reader.after(user, 0, 9) == []
        assert await stores.notifications.reader.preferences(user) == Preferences()
        assert len(await entries_of(stores, other)) == 1
        entry = await notify(stores, user, key="one")
        assert entry is not None
        assert entry.seq == 1
        assert (await stream_of(stores, user)).epoch != epoch
