"""The port contracts on SQLite and PostgreSQL, and tests that need a database with several connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.sql.database import CONNECTIONS, Database
from adapters.sql.migrate import HEAD, current, migrate
from application.shared.errors import KeyInFlight
from domain.posts import Post
from domain.shared import Unavailable, ViewerContext
from tests.integration.servers import fresh_database
from tests.port_contracts.every_store import *  # noqa: F403 - tests to collect
from tests.port_contracts.idempotency import an_idempotent_request, publish_once
from tests.port_contracts.maintenance import MaintenanceContract
from tests.port_contracts.process_numbers import ProcessNumbersContract
from tests.port_contracts.schema import SchemaContract
from tests.port_contracts.stores import Stores, a_post
from tests.port_contracts.stream_tickets import StreamDeletionContract


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest) -> Stores:
    some = request.getfixturevalue(f"{request.param}_stores")
    assert isinstance(some, Stores)
    return some


class TestForgetting(StreamDeletionContract): ...


class TestProcessNumbers(ProcessNumbersContract): ...


class TestMaintenance(MaintenanceContract): ...


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database, opened as `waggle migrate` opens it."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path}/waggle.db"
        else:
            url = stack.enter_context(fresh_database(request.getfixturevalue("postgres_server")))
        database = Database.at(url)
        yield database
        await database.close()


class TestSchema(SchemaContract):
    @pytest.mark.parametrize("database", ["postgres"], indirect=True)
    async def test_concurrent_migrations_run_one_after_the_other(self, database: Database) -> None:
        await asyncio.gather(*(migrate(database) for _ in range(4)))

        assert await current(database) == HEAD


async def unavailable(work: Awaitable[object]) -> bool:
    try:
        await work
    except Unavailable:
        return True
    return False


@pytest.mark.parametrize("stores", ["postgres"], indirect=True)
class TestManyConnections:
    async def test_a_key_held_longer_than_the_timeout_is_in_flight(self, stores: Stores) -> None:
        idempotent_request = an_idempotent_request()

        async with stores.posts.open_tx() as tx:
            await tx.idempotency.begin(idempotent_request)
            with pytest.raises(KeyInFlight):
                await publish_once(stores, idempotent_request)
            await tx.idempotency.finish(idempotent_request, {"id": 1})

        assert (await publish_once(stores, idempotent_request)).outcome == {"id": 1}

    async def test_other_keys_are_not_blocked(self, stores: Stores) -> None:
        async with stores.posts.open_tx() as tx:
            await tx.idempotency.begin(an_idempotent_request())

            result = await publish_once(stores, an_idempotent_request())

        assert result.replayed is False

    async def test_a_row_that_stays_locked_raises_unavailable(self, stores: Stores) -> None:
        post = await stores.add_post()

        async def get() -> None:
            async with stores.posts.open_tx() as tx:
                await tx.posts.get(post.id)

        async with stores.posts.open_tx() as tx:
            await tx.posts.get(post.id)
            assert await unavailable(get()) is True
        assert await unavailable(get()) is False

    async def test_a_deadlock_raises_unavailable_and_rolls_back(self, stores: Stores) -> None:
        one, two = await stores.add_post(), await stores.add_post()
        both_hold = asyncio.Barrier(2)

        async def count(first: Post, then: Post) -> None:
            async with stores.posts.open_tx() as tx:
                await tx.posts.count_replies(first.id, comments=1, replies=1)
                await both_hold.wait()
                await tx.posts.count_replies(then.id, comments=1, replies=1)

        refused = await asyncio.gather(unavailable(count(one, two)), unavailable(count(two, one)))

        done = refused.count(False)
        assert done < 2
        assert [(await stores.read(post.id)).state.comments for post in (one, two)] == [done, done]

    async def test_readers_do_not_wait_for_writers(self, stores: Stores) -> None:
        post = await stores.add_post()

        async with stores.posts.open_tx() as tx:
            await tx.posts.count_replies(post.id, comments=1, replies=1)
            comments_meanwhile = (await stores.read(post.id)).state.comments

        assert comments_meanwhile == 0

    async def test_more_transactions_than_connections_wait_and_then_raise_unavailable(
        self, stores: Stores
    ) -> None:
        inside, leave = 0, asyncio.Event()

        async def hold() -> None:
            nonlocal inside
            async with stores.posts.open_tx() as tx:
                await tx.posts.add(a_post())
                inside += 1
                await leave.wait()

        tasks = [asyncio.create_task(unavailable(hold())) for _ in range(12)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        leave.set()
        results = await asyncio.gather(*tasks)

        assert [task.result() for task in done] == [True] * len(done)
        assert inside >= CONNECTIONS // 2, "that many connections are for transactions"
        assert inside + results.count(True) == 12

    async def test_a_closed_store_raises_unavailable(self, stores: Stores) -> None:
        assert stores.database is not None
        post = await stores.add_post()

        await stores.database.close()

        assert await unavailable(stores.posts.reader.post(post.id, ViewerContext())) is True
