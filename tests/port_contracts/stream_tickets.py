"""The contracts of stream tickets, and of deleting everything that belongs to a stream."""

import asyncio
import os
from datetime import timedelta

from sqlalchemy import Table

from adapters.sql.notifications import tables
from application.notifications.ports import StreamTicket
from domain.notifications import (
    Channel,
    Preferences,
)
from domain.shared import SessionId, UserId
from tests.port_contracts.process_numbers import db
from tests.port_contracts.stores import BEGINNING, Stores, new_id, with_retries
from tests.port_contracts.stream_data import (
    LIKE,
    a_user,
    notify,
    remove,
)

LIFETIME = timedelta(seconds=30)


def a_ticket(user: UserId | None = None) -> tuple[bytes, StreamTicket]:
    until = BEGINNING + timedelta(minutes=10, milliseconds=7)
    return os.urandom(32), StreamTicket(user or a_user(), SessionId(new_id()), until)


class StreamTicketsContract:
    async def test_a_ticket_can_be_redeemed_once(self, stores: Stores) -> None:
        (digest, ticket), (other_digest, other) = a_ticket(), a_ticket()
        await stores.notifications.tickets.add(digest, ticket, LIFETIME)
        await stores.notifications.tickets.add(other_digest, other, LIFETIME)

        assert await stores.notifications.tickets.redeem(digest) == ticket
        assert await stores.notifications.tickets.redeem(digest) is None
        assert await stores.notifications.tickets.redeem(other_digest) == other
        assert await stores.notifications.tickets.redeem(os.urandom(32)) is None

    async def test_one_of_many_concurrent_redemptions_succeeds(self, stores: Stores) -> None:
        digest, ticket = a_ticket()
        await stores.notifications.tickets.add(digest, ticket, LIFETIME)

        redeemed = await asyncio.gather(
            *(with_retries(lambda: stores.notifications.tickets.redeem(digest)) for _ in range(50))
        )

        assert [one for one in redeemed if one is not None] == [ticket]

    async def test_a_ticket_expires(self, stores: Stores) -> None:
        young, old = a_ticket(), a_ticket()
        await stores.notifications.tickets.add(*old, LIFETIME)
        await stores.pass_time(LIFETIME - timedelta(seconds=10))
        await stores.notifications.tickets.add(*young, LIFETIME)
        await stores.pass_time(timedelta(seconds=11))

        assert await stores.notifications.tickets.redeem(old[0]) is None
        assert await stores.notifications.tickets.redeem(young[0]) == young[1]

    async def test_deleting_a_stream_deletes_its_tickets(self, stores: Stores) -> None:
        (digest, ticket), (other_digest, other) = a_ticket(), a_ticket()
        await stores.notifications.tickets.add(digest, ticket, LIFETIME)
        await stores.notifications.tickets.add(other_digest, other, LIFETIME)

        async with stores.notifications.open_tx() as tx:
            await tx.streams.delete(ticket.user)

        assert await stores.notifications.tickets.redeem(digest) is None
        assert await stores.notifications.tickets.redeem(other_digest) == other


async def tables_naming(stores: Stores, user: UserId) -> set[str]:
    """The tables of the module that contain the id of the user anywhere."""
    found = set()
    async with db(stores).begin() as transaction:
        for table in vars(tables).values():
            if isinstance(table, Table):
                rows = (await transaction.execute(table.select())).all()
                found |= {table.name for row in rows if any(str(user) in str(value) for value in row)}
    return found


class StreamDeletionContract:
    """For databases, whose tables can be searched."""

    async def test_no_table_names_a_deleted_user(self, stores: Stores) -> None:
        user, other = a_user(), a_user()
        entry = await notify(stores, user, key=f"like:7:{other}")
        await notify(stores, other, actor=user, key=f"like:7:{user}")
        assert entry is not None
        async with stores.notifications.open_tx() as tx:
            await tx.streams.lock([user])
            await tx.streams.set_preferences(user, Preferences({Channel.APP: {LIKE: False}}))
            await tx.streams.schedule_mail(user, entry.seq, BEGINNING)
        await stores.notifications.tickets.add(*a_ticket(user), LIFETIME)
        assert len(await tables_naming(stores, user)) == 5

        async with stores.notifications.open_tx() as tx:
            await tx.streams.delete(user)

        assert await tables_naming(stores, user) == {
            "stream_entries"
        }  # as the actor of another user's notification
        found = await stores.notifications.reader.by_actor(user, 9)
        await remove(stores, other, *[one.seq for one in found])
        assert await tables_naming(stores, user) == set()
