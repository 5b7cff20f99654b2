"""Facts as notifications hears them, and who was told of them in the end. Nothing is told before it is delivered."""

from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from application.notifications import event_handlers, retract
from application.notifications.notify import Notify
from application.notifications.ports import PostAddressees
from application.shared.events import (
    AccountDeleted,
    Blocked,
    Edited,
    Event,
    Followed,
    FollowRequested,
    FollowRequestEnded,
    Liked,
    MediaSettled,
    PostDeleted,
    Published,
    Reposted,
    Unfollowed,
    Unliked,
    Unreposted,
)
from application.shared.people import AuthorCard
from application.shared.subscriptions import Subscription, in_turn, on, on_long
from domain.notifications import Kind, StreamChange
from domain.posts import AuthorState, Visibility, can_view
from domain.shared import EventId, PostId, UserId, ViewerContext
from tests.port_contracts.stores import new_id
from tests.unit.stream_harness import StreamHarness, card

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MAIL_DELAY = timedelta(minutes=10)

Note = tuple[Kind, int | None, int | None]
"""What somebody was told: what, by whom, about which post."""


@dataclass(frozen=True)
class Said:
    """A post, as far as it matters who sees it."""

    id: PostId
    author: UserId
    answers: PostId | None = None
    mentioned: frozenset[UserId] = frozenset()
    visibility: Visibility = Visibility.PUBLIC
    deleted: bool = False
    version: int = 1
    author_state: AuthorState = AuthorState.OPEN


@dataclass
class World(StreamHarness):
    posts_said: dict[PostId, Said] = field(default_factory=dict)
    marks: set[tuple[type[Event], UserId, PostId]] = field(default_factory=set)
    gone: set[UserId] = field(default_factory=set)
    late: deque[tuple[EventId, Event]] = field(default_factory=deque)
    """Facts that have not been delivered, oldest first."""
    all_facts: list[tuple[EventId, Event]] = field(default_factory=list)
    calls: list[tuple[str, str | None]] = field(default_factory=list)
    """Subscribers that were called, and where they went on from."""
    clock: float = 0.0
    """Every look at it takes a second."""
    budget: float = 1_000.0

    def __post_init__(self) -> None:
        tell = Notify(self.open_tx, self.graph, self, self, new_id, self, lambda: NOW, MAIL_DELAY)
        of_mark = event_handlers.NotifyOfEngagement(tell)
        of_post = event_handlers.NotifyOfPost(tell, self)
        of_edit = event_handlers.NotifyOfEdit(tell, self, self.monotonic, self.budget)
        of_follow = event_handlers.NotifyOfFollow(tell)
        of_media = event_handlers.NotifyOfMedia(tell)
        take_back = retract.RetractNotifications(self.reader, self.remove)
        forget_post = retract.RetractPostNotifications(self.reader, self.remove, self.monotonic, self.budget)
        forget_account = retract.EraseNotifications(
            self.reader, self.remove, self.open_tx, self.monotonic, self.budget
        )
        self.subscriptions = [
            on(Published, "of_post", of_post),
            on(Edited, "of_post", of_post),
            on_long(Edited, "of_edit", of_edit),
            on_long(PostDeleted, "forget_post", forget_post),
            on(Liked, "of_mark", of_mark),
            on(Unliked, "of_mark", take_back),
            on(Reposted, "of_mark", of_mark),
            on(Unreposted, "of_mark", take_back),
            on(Followed, "of_follow", in_turn(take_back, of_follow)),
            on(Unfollowed, "of_follow", take_back),
            on(FollowRequested, "of_follow", of_follow),
            on(FollowRequestEnded, "of_follow", take_back),
            on(Blocked, "of_follow", take_back),
            on_long(AccountDeleted, "forget_account", forget_account),
            on(MediaSettled, "of_media", of_media),
        ]

    # What happens.

    def fact(self, event: Event, day: int = 0) -> None:
        at = NOW + timedelta(days=day)
        id_ = EventId((int(at.timestamp() * 1_000) << 16) + len(self.all_facts))
        self.late.append((id_, event))
        self.all_facts.append((id_, event))

    def publish(
        self,
        author: UserId,
        *mentioned: UserId,
        answers: PostId | None = None,
        visibility: Visibility = Visibility.PUBLIC,
    ) -> PostId:
        post = PostId(1_000 + len(self.posts_said))
        self.posts_said[post] = Said(post, author, answers, frozenset(mentioned), visibility)
        self.fact(Published(post_id=post, author_id=author, reply_to=answers, visibility=visibility.value))
        return post

    def edit(self, post: PostId, *mentioned: UserId, day: int = 0) -> None:
        before = self.posts_said[post]
        said = replace(before, mentioned=frozenset(mentioned), version=before.version + 1)
        self.posts_said[post] = said
        self.fact(
            Edited(
                post_id=post,
                author_id=said.author,
                version=said.version,
                visibility=said.visibility.value,
                reply_to=said.answers,
                mentioned_new=tuple(sorted(said.mentioned - before.mentioned)),
            ),
            day,
        )

    def delete(self, post: PostId) -> None:
        said = self.posts_said[post]
        if not said.deleted:
            self.posts_said[post] = replace(said, deleted=True)
            self.fact(PostDeleted(post_id=post, author_id=said.author, reply_to=said.answers))

    def like(self, who: UserId, post: PostId, day: int = 0) -> None:
        if (Liked, who, post) not in self.marks:
            self.marks.add((Liked, who, post))
            self.fact(Liked(post_id=post, author_id=self.posts_said[post].author, user_id=who), day)

    def unlike(self, who: UserId, post: PostId, day: int = 0) -> None:
        if (Liked, who, post) in self.marks:
            self.marks.discard((Liked, who, post))
            self.fact(Unliked(post_id=post, author_id=self.posts_said[post].author, user_id=who), day)

    def repost(self, who: UserId, post: PostId, day: int = 0) -> None:
        if (Reposted, who, post) not in self.marks:
            self.marks.add((Reposted, who, post))
            author = self.posts_said[post].author
            self.fact(Reposted(post_id=post, author_id=author, user_id=who, repost_id=1), day)

    def unrepost(self, who: UserId, post: PostId, day: int = 0) -> None:
        if (Reposted, who, post) in self.marks:
            self.marks.discard((Reposted, who, post))
            author = self.posts_said[post].author
            self.fact(Unreposted(post_id=post, author_id=author, user_id=who, repost_id=1), day)

    def block(self, who: UserId, whom: UserId) -> None:
        self.graph.block(who, whom)
        self.fact(Blocked(user_id=who, other_id=whom))

    def leave(self, user: UserId) -> None:
        self.gone.add(user)
        self.fact(AccountDeleted(user_id=user))
        for said in [*self.posts_said.values()]:
            if said.author == user:
                self.delete(said.id)

    # The relay.

    async def deliver(self, *, times: int = 1) -> None:
        """All that is late, in the order in which it happened, and what follows from it."""
        while self.late:
            id_, event = self.late.popleft()
            for _ in range(times):
                await self.react(id_, event)

    async def react(self, id_: EventId, event: Event) -> None:
        for one in self.subscriptions:
            if one.event_type is type(event):
                await self.handle(one, id_, event)

    async def handle(self, subscription: Subscription, id_: EventId, event: Event) -> None:
        """To its end."""
        continue_from: str | None = None
        while True:
            self.calls.append((subscription.subscriber, continue_from))
            continue_from = await subscription.handle(event, id_, continue_from)
            if continue_from is None:
                return

    def monotonic(self) -> float:
        self.clock += 1
        return self.clock

    # What other modules answer.

    async def addressees(self, post: PostId) -> PostAddressees | None:
        said = self.posts_said[post]
        if said.deleted:
            return None
        above = self.posts_said[said.answers] if said.answers is not None else None
        return PostAddressees(
            said.author, above.author if above and not above.deleted else None, said.mentioned
        )

    async def who_sees(self, post: PostId, viewer_contexts: Collection[ViewerContext]) -> frozenset[UserId]:
        said = self.posts_said[post]
        return frozenset(
            one.viewer for one in viewer_contexts if one.viewer is not None and can_view(said, one)
        )

    async def involved(self, post: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        return sorted(user for user in self.all_involved(post) if user > after)[:limit]

    def all_involved(self, post: PostId) -> set[UserId]:
        marked = {who for _, who, on in self.marks if on == post}
        return marked | {
            said.author for said in self.posts_said.values() if said.answers == post and not said.deleted
        }

    async def posts(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        return {post: f"post {post}" for post in posts if can_view(self.posts_said[post], viewer_context)}

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        return {id_: card(id_) for id_ in ids if id_ not in self.gone}

    # What came of it.

    async def notes(self, user: UserId) -> list[Note]:
        """As `all_notes`, of a stream in which nothing was read."""
        notes = await self.all_notes(user)
        stream = await self.reader.stream(user)
        kinds = [kind for kind, _, _ in notes if kind is not Kind.MEDIA_READY]
        assert stream is None or stream.unread == Counter(kinds)
        return notes

    async def all_notes(self, user: UserId) -> list[Note]:
        """What stands in the stream, oldest first, which must be sound in itself."""
        stream = await self.reader.stream(user)
        entries = await self.reader.after(user, 0, 100_000)
        viewer_context = [entry for entry in entries if entry.is_notification]
        if stream is None:
            assert entries == []
            return []
        assert [entry.seq for entry in entries] == [*range(1, stream.head + 1)]
        unread = [entry.type for entry in viewer_context if entry.seq > stream.read]
        assert stream.unread == Counter(type_ for type_ in unread if type_ != Kind.MEDIA_READY)
        removed = [ref for entry in entries if entry.type is StreamChange.REMOVED for ref in entry.refs]
        assert sorted(removed) == [entry.seq for entry in entries if entry.removed]
        return [
            (entry.type, entry.actor, entry.post) for entry in viewer_context if isinstance(entry.type, Kind)
        ]
