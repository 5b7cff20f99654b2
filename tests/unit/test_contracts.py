"""The contracts, kept by the stores in memory and by SQLite."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.contracts.entries import EntriesContract
from tests.unit.contracts.erasing import ErasingContract
from tests.unit.contracts.graph import GraphContract
from tests.unit.contracts.housekeeping import HousekeepingContract
from tests.unit.contracts.idempotency import IdempotencyContract
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
from tests.unit.contracts.search import (
    PeopleSearchContract,
    PostSearchContract,
    SearchModelContract,
    TagSearchContract,
)
from tests.unit.contracts.security import SecurityEventsContract
from tests.unit.contracts.stores import Stores, memory, migrated, sql
from tests.unit.contracts.threads import EditsContract, ThreadsContract
from tests.unit.contracts.transactions import TransactionsContract
from tests.unit.contracts.votes import VotesContract
from tests.unit.contracts.withheld import WithheldContract


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file: to copy it costs less than to migrate."""
    path = tmp_path_factory.mktemp("template") / "waggle.db"
    asyncio.run(migrated(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> AsyncIterator[Stores]:
    if request.param == "memory":
        async with memory() as some:
            yield some
    else:
        path = shutil.copy(template, tmp_path / "waggle.db")
        async with sql(f"sqlite:///{path}") as some:
            yield some


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


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
class TestForgetting(ForgettingContract): ...


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
class TestProcessNumbers(ProcessNumbersContract): ...


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
class TestHousekeeping(HousekeepingContract): ...
