"""Every contract that every store keeps, once: a test module imports `*` and says in a fixture `stores` which stores."""

from tests.port_contracts.deliveries import DeliveriesContract
from tests.port_contracts.engagement_lists import EngagementListsContract
from tests.port_contracts.engagements import EngagementsContract, InvolvedContract
from tests.port_contracts.entries import EntriesContract
from tests.port_contracts.erasing import ErasingContract
from tests.port_contracts.graph import GraphContract
from tests.port_contracts.idempotency import IdempotencyContract
from tests.port_contracts.identity import AccountsContract, IdentityReaderContract
from tests.port_contracts.inbox import InboxContract
from tests.port_contracts.keys import KeysContract
from tests.port_contracts.long_handlers import LongHandlersContract
from tests.port_contracts.mails import MailQueueContract
from tests.port_contracts.media import MediaContract, ProcessingQueueContract
from tests.port_contracts.outbox import OutboxContract
from tests.port_contracts.parts import PostPartsContract
from tests.port_contracts.pending import ConfirmationQueueContract, PendingRegistrationsContract
from tests.port_contracts.post_pages import PagesContract
from tests.port_contracts.posts import (
    AuthorsContract,
    PostsContract,
    PostsReaderContract,
    VisibilityContract,
)
from tests.port_contracts.relay import RelayContract
from tests.port_contracts.repair import RepairContract
from tests.port_contracts.search import PostSearchContract
from tests.port_contracts.search_model import SearchModelContract
from tests.port_contracts.search_tags_and_people import PeopleSearchContract, TagSearchContract
from tests.port_contracts.security import SecurityEventsContract
from tests.port_contracts.sessions import SessionsContract
from tests.port_contracts.signals import SignalsContract
from tests.port_contracts.stream_reading import (
    StreamCountersContract,
    StreamReaderContract,
    TrimStreamsContract,
)
from tests.port_contracts.stream_tickets import StreamTicketsContract
from tests.port_contracts.streams import StreamsContract
from tests.port_contracts.threads import EditsContract, ThreadsContract
from tests.port_contracts.traceparents import TraceparentsContract
from tests.port_contracts.transactions import TransactionsContract
from tests.port_contracts.withheld import WithheldContract


class TestTraceparents(TraceparentsContract): ...


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


class TestDeliveries(DeliveriesContract): ...


class TestRelay(RelayContract): ...


class TestLongHandlers(LongHandlersContract): ...


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


class TestEngagements(EngagementsContract): ...


class TestInvolved(InvolvedContract): ...


class TestEngagementLists(EngagementListsContract): ...


class TestEntries(EntriesContract): ...


class TestRepair(RepairContract): ...


class TestPostSearch(PostSearchContract): ...


class TestSearchModel(SearchModelContract): ...


class TestTagSearch(TagSearchContract): ...


class TestPeopleSearch(PeopleSearchContract): ...


class TestMailQueue(MailQueueContract): ...


class TestMedia(MediaContract): ...


class TestProcessingQueue(ProcessingQueueContract): ...


class TestSignals(SignalsContract): ...


class TestStreams(StreamsContract): ...


class TestStreamCounters(StreamCountersContract): ...


class TestStreamReader(StreamReaderContract): ...


class TestStreamTickets(StreamTicketsContract): ...


class TestTrimStreams(TrimStreamsContract): ...
