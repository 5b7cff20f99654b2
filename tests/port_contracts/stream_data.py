"""Helpers of the contracts about streams."""

from collections import Counter
from collections.abc import Collection, Sequence

from application.notifications.ports import NotificationsTx
from domain.notifications import (
    NotificationKind,
    Stream,
    StreamChange,
    StreamEntry,
)
from domain.shared import PostId, UserId
from tests.port_contracts.stores import Stores, new_id

LIKE, COMMENT, FOLLOW = NotificationKind.LIKE, NotificationKind.COMMENT, NotificationKind.FOLLOW


class Rollback(Exception):
    """Rolls a transaction back."""


def a_user() -> UserId:
    return UserId(new_id())


def a_post_id() -> PostId:
    return PostId(new_id())


async def notify_in(
    tx: NotificationsTx,
    users: Collection[UserId],
    kind: NotificationKind = LIKE,
    actor: UserId | None = None,
    post: PostId | None = None,
    key: str | None = None,
) -> list[StreamEntry]:
    """Notify users as the module does: users who were notified with this dedupe key before are left out."""
    streams = await tx.streams.lock(users)
    known = await tx.streams.known([(user, key) for user in users]) if key else {}
    changed: list[Stream] = []
    entries: list[StreamEntry] = []
    for user in users:
        if (user, key) not in known:
            changed.append(streams[user].with_entry(kind))
            entries.append(StreamEntry(user, changed[-1].head, new_id(), kind, actor or a_user(), post))
    await tx.streams.add([(entry, key) for entry in entries])
    await tx.streams.save(changed)
    return entries


async def notify(
    stores: Stores,
    user: UserId,
    kind: NotificationKind = LIKE,
    *,
    actor: UserId | None = None,
    post: PostId | None = None,
    key: str | None = None,
) -> StreamEntry | None:
    async with stores.notifications.open_tx() as tx:
        entries = await notify_in(tx, [user], kind, actor, post, key)
    return entries[0] if entries else None


async def notify_kinds(stores: Stores, user: UserId, *kinds: NotificationKind) -> list[StreamEntry]:
    entries = [await notify(stores, user, kind) for kind in kinds]
    return [entry for entry in entries if entry is not None]


async def add_change(stores: Stores, user: UserId, what: StreamChange, *refs: int) -> None:
    async with stores.notifications.open_tx() as tx:
        stream = (await tx.streams.lock([user]))[user].with_entry(what)
        await tx.streams.add([(StreamEntry(user, stream.head, new_id(), what, refs=refs), None)])
        await tx.streams.save([stream])


async def remove(stores: Stores, user: UserId, *seqs: int) -> Sequence[tuple[int, NotificationKind]]:
    async with stores.notifications.open_tx() as tx:
        stream = (await tx.streams.lock([user]))[user]
        removed = await tx.streams.remove(user, seqs)
        await tx.streams.save([stream.without_removed(removed)])
    return removed


async def mark_read(stores: Stores, user: UserId, seq: int) -> Stream:
    async with stores.notifications.open_tx() as tx:
        stream = (await tx.streams.lock([user]))[user]
        newest = await tx.streams.newest_up_to(user, seq)
        stream = stream.read_up_to(newest, await tx.streams.unread_between(user, stream.read, newest))
        await tx.streams.save([stream])
    return stream


async def cut(stores: Stores, user: UserId, floor: int) -> None:
    async with stores.notifications.open_tx() as tx:
        stream = (await tx.streams.lock([user]))[user]
        lost = await tx.streams.unread_between(user, stream.read, floor - 1)
        await tx.streams.cut(user, floor)
        await tx.streams.save([stream.trimmed_to(floor, lost)])


async def stream_of(stores: Stores, user: UserId) -> Stream:
    stream = await stores.notifications.reader.stream(user)
    assert stream is not None
    return stream


async def entries_of(stores: Stores, user: UserId) -> Sequence[StreamEntry]:
    """All entries of the stream. Checks that they have no gap and that the counters are exact."""
    stream = await stream_of(stores, user)
    entries = await stores.notifications.reader.after(user, stream.floor - 1, 10_000)
    assert [entry.seq for entry in entries] == [*range(stream.floor, stream.head + 1)]
    assert dict(stream.unread) == unread_by_type(stream, entries)
    return entries


def unread_by_type(stream: Stream, entries: Sequence[StreamEntry]) -> dict[str, int]:
    """The unread notifications of each type, counted one by one."""
    return dict(
        Counter(entry.type for entry in entries if entry.is_notification and not entry.is_read(stream))
    )
