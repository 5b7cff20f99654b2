"""Streams that several transactions of PostgreSQL want at once."""

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
    """Until so many wait for a lock."""
    async with asyncio.timeout(5), db(stores).begin() as connection:
        while (await connection.execute(_waiting)).scalar_one() < number:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def tell_all(stores: Stores, users: list[UserId]) -> None:
    async with stores.open_notifications() as tx:
        await notify_in(tx, users)


@pytest.mark.parametrize("new", [True, False], ids=["new streams", "old streams"])
async def test_two_who_tell_the_same_people_in_opposite_orders_do_not_lock_each_other_out(
    stores: Stores, new: bool
) -> None:
    users = [a_user() for _ in range(5)]
    if not new:
        await tell_all(stores, users[::-1])

    async with stores.open_notifications() as tx:
        await notify_in(tx, [users[2]])
        others = [asyncio.create_task(tell_all(stores, some)) for some in (users, users[::-1])]
        await until_waiting(stores, 2)
    await asyncio.gather(*others)

    for user in users:
        assert len(await entries_of(stores, user)) == 2 + (not new) + (user == users[2])


async def test_what_is_told_while_its_user_is_forgotten_goes_too(stores: Stores) -> None:
    user = a_user()
    await notify(stores, user)

    async def forget() -> None:
        async with stores.open_notifications() as tx:
            await tx.streams.delete(user)

    async with stores.open_notifications() as tx:
        await notify_in(tx, [user])
        await tx.streams.set_preferences(user, Preferences())
        forgetting = asyncio.create_task(forget())
        await until_waiting(stores, 1)
    await forgetting

    assert await tables_naming(stores, user) == set()


async def test_a_stream_that_goes_while_it_is_waited_for_is_unavailable(stores: Stores) -> None:
    user = a_user()
    await notify(stores, user)

    async with stores.open_notifications() as tx:
        await tx.streams.delete(user)
        telling = asyncio.create_task(notify(stores, user))
        await until_waiting(stores, 1)
    with pytest.raises(Unavailable):
        await telling

    entry = await notify(stores, user)
    assert entry is not None
    assert entry.seq == 1
