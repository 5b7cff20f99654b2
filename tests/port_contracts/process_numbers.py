"""The contract of process numbers."""

import asyncio

from sqlalchemy import update

from adapters.ids import PROCESSES, Lease
from adapters.sql.database import Database
from adapters.sql.process_numbers import LEASE, ProcessNumbers, process_numbers
from domain.shared import Unavailable
from tests.port_contracts.stores import Stores, with_retries

LEASE_MS = int(LEASE.total_seconds() * 1000)


async def end_of_all_leases(database: Database) -> None:
    async with database.begin() as transaction:
        await transaction.execute(update(process_numbers).values(until_ms=0))


def db(stores: Stores) -> Database:
    assert stores.database is not None
    return stores.database


class ProcessNumbersContract:
    async def test_processes_that_start_together_get_different_numbers(self, stores: Stores) -> None:
        processes = [ProcessNumbers(db(stores), f"process {number}") for number in range(12)]

        leases = await asyncio.gather(*(with_retries(process.take) for process in processes))

        assert {lease.number for lease in leases} == set(range(12))
        assert all(lease.until_ms == lease.now_ms + LEASE_MS for lease in leases)

    async def test_no_number_is_left_when_all_are_leased(self, stores: Stores) -> None:
        async with db(stores).begin() as transaction:
            rows = [{"number": n, "holder": "h", "until_ms": 2**62} for n in range(PROCESSES)]
            await transaction.execute(process_numbers.insert(), rows)

        refused: Unavailable | Lease
        try:
            refused = await ProcessNumbers(db(stores), "late").take()
        except Unavailable as error:
            refused = error

        assert isinstance(refused, Unavailable)
        assert refused.retry_after > 1

    async def test_the_holder_can_renew_a_lease(self, stores: Stores) -> None:
        process = ProcessNumbers(db(stores), "a process")
        lease = await process.take()

        renewed = await process.renew(lease)

        assert renewed is not None
        assert renewed.number == lease.number
        assert renewed.until_ms >= lease.until_ms

    async def test_nobody_else_can_renew_a_lease(self, stores: Stores) -> None:
        lease = await ProcessNumbers(db(stores), "a process").take()

        assert await ProcessNumbers(db(stores), "another").renew(lease) is None

    async def test_an_ended_lease_frees_its_number(self, stores: Stores) -> None:
        process = ProcessNumbers(db(stores), "a process")
        lease = await process.take()
        await end_of_all_leases(db(stores))

        taken = await ProcessNumbers(db(stores), "another").take()

        assert taken.number == lease.number
        assert await process.renew(lease) is None

    async def test_an_ended_lease_cannot_be_renewed_even_if_its_number_is_free(self, stores: Stores) -> None:
        process = ProcessNumbers(db(stores), "a process")
        lease = await process.take()
        await end_of_all_leases(db(stores))

        assert await process.renew(lease) is None
