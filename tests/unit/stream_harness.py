"""The use cases of streams over stores in memory."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from adapters.memory.notifications.reading import MemoryStreamReader
from adapters.memory.notifications.writing import transactions
from adapters.memory.store import Store
from application.notifications.commands import Dismiss, MarkRead, SetPreferences
from application.notifications.hydration import HydrateStream
from application.notifications.ports import NotificationsTx, StreamHint, StreamReader
from application.notifications.queries import ListNotifications, ReadNews
from application.notifications.read_stream import FindStream, OpenStream, ReadAfter
from application.notifications.remove import RemoveNotifications
from application.shared.people import AuthorCard
from application.shared.ports import OpenTx
from domain.notifications import EntryType, NotificationKind, StreamEntry
from domain.shared import PostId, UserId, ViewerContext
from tests.port_contracts.stores import new_id
from tests.unit.viewer_contexts import FakeGraph

POST = PostId(77)


def card(user: UserId) -> AuthorCard:
    return AuthorCard(user, f"user_{user}", "")


@dataclass
class StreamHarness:
    """Streams in memory, with posts that everybody may see unless they are in `hidden`."""

    store: Store = field(default_factory=Store)
    graph: FakeGraph = field(default_factory=FakeGraph)
    hidden: set[PostId] = field(default_factory=set)
    hinted_users: list[UserId] = field(default_factory=list)

    @property
    def open_tx(self) -> OpenTx[NotificationsTx]:
        return transactions(self.store)

    @property
    def reader(self) -> StreamReader:
        return MemoryStreamReader(self.store)

    @property
    def find_stream(self) -> FindStream:
        return FindStream(self.open_tx, self.reader)

    @property
    def remove(self) -> RemoveNotifications:
        return RemoveNotifications(self.open_tx, new_id, self)

    @property
    def list_notifications(self) -> ListNotifications:
        return ListNotifications(self.find_stream, self.reader, self.hydrate)

    @property
    def read_news(self) -> ReadNews:
        return ReadNews(
            self.find_stream,
            OpenStream(self.find_stream),
            ReadAfter(self.find_stream, self.reader, self.hydrate),
        )

    @property
    def hydrate(self) -> HydrateStream:
        return HydrateStream(self.graph, self.posts, self, self.remove)

    @property
    def mark_read(self) -> MarkRead:
        return MarkRead(self.open_tx, new_id, self)

    @property
    def dismiss(self) -> Dismiss:
        return Dismiss(self.reader, self.remove)

    @property
    def set_preferences(self) -> SetPreferences:
        return SetPreferences(self.open_tx)

    async def add(
        self,
        user: UserId,
        type_: EntryType = NotificationKind.LIKE,
        actor: UserId | None = None,
        post: PostId | None = POST,
        refs: tuple[int, ...] = (),
    ) -> int:
        """Add an entry. Returns its sequence number."""
        async with self.open_tx() as tx:
            stream = (await tx.streams.lock([user]))[user].with_entry(type_)
            await tx.streams.add([(StreamEntry(user, stream.head, new_id(), type_, actor, post, refs), None)])
            await tx.streams.save([stream])
        return stream.head

    async def posts(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        return {post: f"post {post}" for post in posts if post not in self.hidden}

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        return {id_: card(id_) for id_ in ids}

    async def send_hint(self, users: Collection[UserId], _hint: StreamHint) -> None:
        self.hinted_users += users
