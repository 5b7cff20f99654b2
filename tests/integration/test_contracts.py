"""The contracts, kept by PostgreSQL, and what only a database with many connections can be asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest

from adapters.sql.database import CONNECTIONS, Database
from adapters.sql.migrate import HEAD, current, migrate
from application.shared.errors import KeyInFlight
from domain.posts import Post
from domain.shared import Standing, Unavailable
from tests.integration.servers import Server, fresh_database
from tests.unit.contracts.entries import EntriesContract
from tests.unit.contracts.erasing import ErasingContract
from tests.unit.contracts.graph import GraphContract
from tests.unit.contracts.housekeeping import HousekeepingContract
from tests.unit.contracts.idempotency import IdempotencyContract, an_attempt, publish_once
from tests.unit.contracts.identity import (
    AccountsContract,
    IdentityReaderContract,
    InboxContract,
    SessionsContract,
)
from tests.unit.contracts.keys import KeysContract
from tests.unit.contracts.mails import MailQueueContract
from tests.unit.contracts.marks import InvolvedContract, MarkListsContract, MarksContract
from tests.unit.contracts.media import JobsContract, MediaContract
from tests.unit.contracts.notifications import (
    CountersContract,
    ForgettingContract,
    StreamReaderContract,
    StreamsContract,
    TicketsContract,
    TrimmingContract,
)
from tests.unit.contracts.outbox import OutboxContract, RelayContract
from tests.unit.contracts.parts import PostPartsContract
from tests.unit.contracts.pending import ConfirmationQueueContract, PendingRegistrationsContract
from tests.unit.contracts.posts import (
    AuthorsContract,
    PagesContract,
    PostsContract,
    PostsReaderContract,
    VisibilityContract,
)
from tests.unit.contracts.process_numbers import ProcessNumbersContract
from tests.unit.contracts.repair import RepairContract
from tests.unit.contracts.schema import SchemaContract
from tests.unit.contracts.search import (
    PeopleSearchContract,
    PostSearchContract,
    SearchModelContract,
    TagSearchContract,
)
from tests.unit.contracts.security import SecurityEventsContract
from tests.unit.contracts.stores import Stores, a_post
from tests.unit.contracts.threads import EditsContract, ThreadsContract
from tests.unit.contracts.transactions import TransactionsContract
from tests.unit.contracts.votes import VotesContract
from tests.unit.contracts.withheld import WithheldContract


class TestTransactions(TransactionsContract): ...


class TestAccounts(AccountsContract): ...


class TestIdentityReader(IdentityReaderContract): ...


class TestSessions(SessionsContract): ...


class TestPendingRegistrations(PendingRegistrationsContract): ...


class TestConfirmationQueue(ConfirmationQueueContract): ...


class TestInbox(InboxContract): ...


class TestSecurityEvents(SecurityEventsContract): ...


class TestKeys(KeysContract): ...


class TestGraph(GraphContract): ...


class TestIdempotency(IdempotencyContract): ...


class TestOutbox(OutboxContract): ...


class TestRelay(RelayContract): ...


class TestPosts(PostsContract): ...


class TestPostsReader(PostsReaderContract): ...


class TestPostParts(PostPartsContract): ...


class TestAuthors(AuthorsContract): ...


class TestErasing(ErasingContract): ...


class TestVisibility(VisibilityContract): ...


class TestPages(PagesContract): ...


class TestEdits(EditsContract): ...


class TestThreads(ThreadsContract): ...


class TestWithheld(WithheldContract): ...


class TestMarks(MarksContract): ...


class TestInvolved(InvolvedContract): ...


class TestMarkLists(MarkListsContract): ...


class TestEntries(EntriesContract): ...


class TestRepair(RepairContract): ...


class TestPostSearch(PostSearchContract): ...


class TestSearchModel(SearchModelContract): ...


class TestTagSearch(TagSearchContract): ...


class TestPeopleSearch(PeopleSearchContract): ...


class TestMailQueue(MailQueueContract): ...


class TestMedia(MediaContract): ...


class TestJobs(JobsContract): ...


class TestVotes(VotesContract): ...


class TestStreams(StreamsContract): ...


class TestCounters(CountersContract): ...


class TestStreamReader(StreamReaderContract): ...


class TestTickets(TicketsContract): ...


class TestTrimming(TrimmingContract): ...


class TestForgetting(ForgettingContract): ...


class TestProcessNumbers(ProcessNumbersContract): ...


class TestHousekeeping(HousekeepingContract): ...


@pytest.fixture
async def database(postgres_server: Server) -> AsyncIterator[Database]:
    with fresh_database(postgres_server) as url:
        database = Database.at(url)
        yield database
        await database.close()


class TestSchema(SchemaContract):
    async def test_processes_that_migrate_at_once_go_one_after_the_other(self, database: Database) -> None:
        await asyncio.gather(*(migrate(database) for _ in range(4)))

        assert await current(database) == HEAD


async def unavailable(work: Awaitable[object]) -> bool:
    try:
        await work
    except Unavailable:
        return True
    return False


class TestManyConnections:
    async def test_a_key_that_is_held_longer_than_one_waits_is_in_flight(self, stores: Stores) -> None:
        attempt = an_attempt()

        async with stores.open_posts() as tx:
            await tx.idempotency.begin(attempt)
            with pytest.raises(KeyInFlight):
                await publish_once(stores, attempt)
            await tx.idempotency.finish(attempt, {"id": 1})

        assert (await publish_once(stores, attempt)).outcome == {"id": 1}

    async def test_another_key_is_not_waited_for(self, stores: Stores) -> None:
        async with stores.open_posts() as tx:
            await tx.idempotency.begin(an_attempt())

            result = await publish_once(stores, an_attempt())

        assert result.replayed is False

    async def test_a_row_that_stays_locked_is_unavailable(self, stores: Stores) -> None:
        post = await stores.add_post()

        async def get() -> None:
            async with stores.open_posts() as tx:
                await tx.posts.get(post.id)

        async with stores.open_posts() as tx:
            await tx.posts.get(post.id)
            assert await unavailable(get()) is True
        assert await unavailable(get()) is False

    async def test_two_that_wait_for_each_other_are_told_so_and_nothing_is_half_done(
        self, stores: Stores
    ) -> None:
        one, two = await stores.add_post(), await stores.add_post()
        both_hold = asyncio.Barrier(2)

        async def count(first: Post, then: Post) -> None:
            async with stores.open_posts() as tx:
                await tx.posts.count_answers(first.id, comments=1, answers=1)
                await both_hold.wait()
                await tx.posts.count_answers(then.id, comments=1, answers=1)

        refused = await asyncio.gather(unavailable(count(one, two)), unavailable(count(two, one)))

        done = refused.count(False)
        assert done < 2
        assert [(await stores.read(post.id)).comments for post in (one, two)] == [done, done]

    async def test_a_reader_waits_for_no_writer(self, stores: Stores) -> None:
        post = await stores.add_post()

        async with stores.open_posts() as tx:
            await tx.posts.count_answers(post.id, comments=1, answers=1)
            comments_meanwhile = (await stores.read(post.id)).comments

        assert comments_meanwhile == 0

    async def test_more_transactions_than_connections_wait_their_turn_and_then_are_told(
        self, stores: Stores
    ) -> None:
        inside, leave = 0, asyncio.Event()

        async def hold() -> None:
            nonlocal inside
            async with stores.open_posts() as tx:
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

    async def test_a_store_that_is_closed_is_unavailable(self, stores: Stores) -> None:
        assert stores.database is not None
        post = await stores.add_post()

        await stores.database.close()

        assert await unavailable(stores.posts.post(post.id, Standing())) is True
