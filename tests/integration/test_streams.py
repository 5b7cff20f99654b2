"""Concurrent transactions on the same streams in PostgreSQL."""

import asyncio

import pytest
from sqlalchemy import func, literal_column, select, table

from domain.notifications import Preferences
from domain.shared import Unavailable, UserId
from tests.port_contracts.process_numbers import db
from tests.port_contracts.stores import Stores
from tests.port_contracts.stream_data import a_user, entries_of, notify, notify_in
from tests.port_contracts.stream_tickets import tables_naming

_locks = table("pg_locks")
_waiting = select(func.count()).select_from(_locks).where(literal_column("NOT granted"))


async def until_waiting(stores: Stores, number: int) -> None:
    """Wait until this many transactions wait for a lock."""
    async with asyncio.timeout(5), db(stores).begin() as transaction:
        while (await transaction.execute(_waiting)).scalar_one() < number:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.005)


async def notify_all(stores: Stores, users: list[UserId]) -> None:
    async with stores.notifications.open_tx() as tx:
        await notify_in(tx, users)


@pytest.mark.parametrize("new", [True, False], ids=["new streams", "old streams"])
async def test_notifying_the_same_users_in_opposite_orders_does_not_deadlock(
    stores: Stores, new: bool
) -> None:
    users = [a_user() for _ in range(5)]
    if not new:
        await notify_all(stores, users[::-1])

    async with stores.notifications.open_tx() as tx:
        await notify_in(tx, [users[2]])
        others = [asyncio.create_task(notify_all(stores, some)) for some in (users, users[::-1])]
        await until_waiting(stores, 2)
    await asyncio.gather(*others)

    for user in users:
        assert len(await entries_of(stores, user)) == 2 + (not new) + (user == users[2])


async def test_a_notification_during_a_deletion_is_deleted_too(stores: Stores) -> None:
    user = a_user()
    await notify(stores, user)

    async def delete_stream() -> None:
        async with stores.notifications.open_tx() as tx:
            await tx.streams.delete(user)

    async with stores.notifications.open_tx() as tx:
        await notify_in(tx, [user])
        await tx.streams.set_preferences(user, Preferences())
        deleting = asyncio.create_task(delete_stream())
        await until_waiting(stores, 1)
    await deleting

    assert await tables_naming(stores, user) == set()


async def test_waiting_for_a_stream_that_is_deleted_raises_unavailable(stores: Stores) -> None:
    user = a_user()
    await notify(stores, user)

    async with stores.notifications.open_tx() as tx:
        await tx.streams.delete(user)
        notifying = asyncio.create_task(notify(stores, user))
        await until_waiting(stores, 1)
    with pytest.raises(Unavailable):
        await notifying

    entry = await notify(stores, user)
    assert entry is not None
    assert entry.seq == 1
