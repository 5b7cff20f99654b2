"""The use cases of notifications over stores in memory. Events are queued until the test delivers them."""

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
from domain.notifications import NotificationKind, StreamChange
from domain.posts import AuthorState, Visibility, can_view
from domain.shared import EventId, PostId, UserId, ViewerContext
from tests.port_contracts.stores import new_id
from tests.unit.stream_harness import StreamHarness, card

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MAIL_DELAY = timedelta(minutes=10)

MAYA, WILLY, FLIP, THEKLA, *_ = USERS = [UserId(number) for number in range(1, 6)]
Notified = tuple[NotificationKind, int | None, int | None]
"""Kind, actor and post of a notification."""


@dataclass(frozen=True)
class StoredPost:
    """The members of a post that decide who may see it."""

    id: PostId
    author: UserId
    reply_to: PostId | None = None
    mentioned: frozenset[UserId] = frozenset()
    visibility: Visibility = Visibility.PUBLIC
    deleted: bool = False
    version: int = 1
    author_state: AuthorState = AuthorState.PUBLIC


@dataclass
class NotificationHarness(StreamHarness):
    stored_posts: dict[PostId, StoredPost] = field(default_factory=dict)
    engagements: set[tuple[type[Event], UserId, PostId]] = field(default_factory=set)
    deleted_accounts: set[UserId] = field(default_factory=set)
    undelivered: deque[tuple[EventId, Event]] = field(default_factory=deque)
    """Events that have not been delivered, oldest first."""
    all_events: list[tuple[EventId, Event]] = field(default_factory=list)
    calls: list[tuple[str, str | None]] = field(default_factory=list)
    """Subscribers that were called, with the position from which they continued."""
    clock: float = 0.0
    """Each reading advances it by a second."""
    budget: float = 1_000.0

    def __post_init__(self) -> None:
        notify = Notify(self.open_tx, self.graph, self, self, new_id, self, lambda: NOW, MAIL_DELAY)
        notify_of_engagement = event_handlers.NotifyOfEngagement(notify)
        notify_of_post = event_handlers.NotifyOfPost(notify, self)
        notify_of_edit = event_handlers.NotifyOfEdit(notify, self, self.monotonic, self.budget)
        notify_of_follow = event_handlers.NotifyOfFollow(notify)
        notify_of_media = event_handlers.NotifyOfMedia(notify)
        retract_notifications = retract.RetractNotifications(self.reader, self.remove)
        retract_post_notifications = retract.RetractPostNotifications(
            self.reader, self.remove, self.monotonic, self.budget
        )
        erase_notifications = retract.EraseNotifications(
            self.reader, self.remove, self.open_tx, self.monotonic, self.budget
        )
        self.subscriptions = [
            on(Published, "notify_of_post", notify_of_post),
            on(Edited, "notify_of_post", notify_of_post),
            on_long(Edited, "notify_of_edit", notify_of_edit),
            on_long(PostDeleted, "retract_post_notifications", retract_post_notifications),
            on(Liked, "notify_of_engagement", notify_of_engagement),
            on(Unliked, "notify_of_engagement", retract_notifications),
            on(Reposted, "notify_of_engagement", notify_of_engagement),
            on(Unreposted, "notify_of_engagement", retract_notifications),
            on(Followed, "notify_of_follow", in_turn(retract_notifications, notify_of_follow)),
            on(Unfollowed, "notify_of_follow", retract_notifications),
            on(FollowRequested, "notify_of_follow", notify_of_follow),
            on(FollowRequestEnded, "notify_of_follow", retract_notifications),
            on(Blocked, "notify_of_follow", retract_notifications),
            on_long(AccountDeleted, "erase_notifications", erase_notifications),
            on(MediaSettled, "notify_of_media", notify_of_media),
        ]

    # Actions of users.

    def emit(self, event: Event, day: int = 0) -> None:
        at = NOW + timedelta(days=day)
        id_ = EventId((int(at.timestamp() * 1_000) << 16) + len(self.all_events))
        self.undelivered.append((id_, event))
        self.all_events.append((id_, event))

    def publish(
        self,
        author: UserId,
        *mentioned: UserId,
        reply_to: PostId | None = None,
        visibility: Visibility = Visibility.PUBLIC,
    ) -> PostId:
        post = PostId(1_000 + len(self.stored_posts))
        self.stored_posts[post] = StoredPost(post, author, reply_to, frozenset(mentioned), visibility)
        self.emit(Published(post_id=post, author_id=author, reply_to=reply_to, visibility=visibility.value))
        return post

    def edit(self, post: PostId, *mentioned: UserId, day: int = 0) -> None:
        before = self.stored_posts[post]
        post_state = replace(before, mentioned=frozenset(mentioned), version=before.version + 1)
        self.stored_posts[post] = post_state
        self.emit(
            Edited(
                post_id=post,
                author_id=post_state.author,
                version=post_state.version,
                visibility=post_state.visibility.value,
                reply_to=post_state.reply_to,
                mentioned_new=tuple(sorted(post_state.mentioned - before.mentioned)),
            ),
            day,
        )

    def delete(self, post: PostId) -> None:
        post_state = self.stored_posts[post]
        if not post_state.deleted:
            self.stored_posts[post] = replace(post_state, deleted=True)
            self.emit(PostDeleted(post_id=post, author_id=post_state.author, reply_to=post_state.reply_to))

    def like(self, user: UserId, post: PostId, day: int = 0) -> None:
        if (Liked, user, post) not in self.engagements:
            self.engagements.add((Liked, user, post))
            self.emit(Liked(post_id=post, author_id=self.stored_posts[post].author, user_id=user), day)

    def unlike(self, user: UserId, post: PostId, day: int = 0) -> None:
        if (Liked, user, post) in self.engagements:
            self.engagements.discard((Liked, user, post))
            self.emit(Unliked(post_id=post, author_id=self.stored_posts[post].author, user_id=user), day)

    def repost(self, user: UserId, post: PostId, day: int = 0) -> None:
        if (Reposted, user, post) not in self.engagements:
            self.engagements.add((Reposted, user, post))
            author = self.stored_posts[post].author
            self.emit(Reposted(post_id=post, author_id=author, user_id=user, repost_id=1), day)

    def unrepost(self, user: UserId, post: PostId, day: int = 0) -> None:
        if (Reposted, user, post) in self.engagements:
            self.engagements.discard((Reposted, user, post))
            author = self.stored_posts[post].author
            self.emit(Unreposted(post_id=post, author_id=author, user_id=user, repost_id=1), day)

    def block(self, user: UserId, other: UserId) -> None:
        self.graph.block(user, other)
        self.emit(Blocked(user_id=user, other_id=other))

    def delete_account(self, user: UserId) -> None:
        self.deleted_accounts.add(user)
        self.emit(AccountDeleted(user_id=user))
        for post_state in [*self.stored_posts.values()]:
            if post_state.author == user:
                self.delete(post_state.id)

    # Delivery.

    async def deliver(self, *, times: int = 1) -> None:
        """Deliver queued events, in order."""
        while self.undelivered:
            id_, event = self.undelivered.popleft()
            for _ in range(times):
                await self.handle_event(id_, event)

    async def handle_event(self, id_: EventId, event: Event) -> None:
        for one in self.subscriptions:
            if one.event_type is type(event):
                await self.handle(one, id_, event)

    async def handle(self, subscription: Subscription, id_: EventId, event: Event) -> None:
        """Calls the subscriber until it is done."""
        continue_from: str | None = None
        while True:
            self.calls.append((subscription.subscriber, continue_from))
            continue_from = await subscription.handle(event, id_, continue_from)
            if continue_from is None:
                return

    def monotonic(self) -> float:
        self.clock += 1
        return self.clock

    # The answers of other modules.

    async def addressees(self, post: PostId) -> PostAddressees | None:
        post_state = self.stored_posts[post]
        if post_state.deleted:
            return None
        parent = self.stored_posts[post_state.reply_to] if post_state.reply_to is not None else None
        return PostAddressees(
            post_state.author, parent.author if parent and not parent.deleted else None, post_state.mentioned
        )

    async def who_sees(self, post: PostId, viewer_contexts: Collection[ViewerContext]) -> frozenset[UserId]:
        post_state = self.stored_posts[post]
        return frozenset(
            one.viewer for one in viewer_contexts if one.viewer is not None and can_view(post_state, one)
        )

    async def involved(self, post: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        return sorted(user for user in self.all_involved(post) if user > after)[:limit]

    def all_involved(self, post: PostId) -> set[UserId]:
        engaged = {user for _, user, on in self.engagements if on == post}
        return engaged | {
            post_state.author
            for post_state in self.stored_posts.values()
            if post_state.reply_to == post and not post_state.deleted
        }

    async def posts(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        return {post: f"post {post}" for post in posts if can_view(self.stored_posts[post], viewer_context)}

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        return {id_: card(id_) for id_ in ids if id_ not in self.deleted_accounts}

    # Results.

    async def notifications_of(self, user: UserId) -> list[Notified]:
        """As `all_notifications_of`, for a stream in which nothing is read."""
        notifications = await self.all_notifications_of(user)
        stream = await self.reader.stream(user)
        kinds = [kind for kind, _, _ in notifications if kind is not NotificationKind.MEDIA_READY]
        assert stream is None or stream.unread == Counter(kinds)
        return notifications

    async def all_notifications_of(self, user: UserId) -> list[Notified]:
        """The notifications in the stream, oldest first. Checks that the stream is consistent."""
        stream = await self.reader.stream(user)
        entries = await self.reader.after(user, 0, 100_000)
        notifications = [entry for entry in entries if entry.is_notification]
        if stream is None:
            assert entries == []
            return []
        assert [entry.seq for entry in entries] == [*range(1, stream.head + 1)]
        unread = [entry.type for entry in notifications if entry.seq > stream.read]
        assert stream.unread == Counter(type_ for type_ in unread if type_ != NotificationKind.MEDIA_READY)
        removed = [ref for entry in entries if entry.type is StreamChange.REMOVED for ref in entry.refs]
        assert sorted(removed) == [entry.seq for entry in entries if entry.removed]
        return [
            (entry.type, entry.actor, entry.post)
            for entry in notifications
            if isinstance(entry.type, NotificationKind)
        ]


def make_users(number: int) -> list[UserId]:
    return [UserId(100 + n) for n in range(number)]


def every_kind_of_action(harness: NotificationHarness, other: UserId, by: UserId) -> None:
    post, of_by = harness.publish(other), harness.publish(by, other)
    harness.like(by, post)
    harness.repost(by, post)
    harness.publish(by, reply_to=post)
    harness.like(other, of_by)
    harness.edit(of_by, other)
    harness.emit(FollowRequested(user_id=by, other_id=other))
    harness.emit(Followed(user_id=by, other_id=other))
    harness.emit(FollowRequested(user_id=other, other_id=by))
    harness.emit(Followed(user_id=other, other_id=by, accepted=True))


def settle_media(harness: NotificationHarness, owner: UserId) -> None:
    for media, reason in ((7, None), (8, "damaged")):
        harness.emit(MediaSettled(media_id=media, owner_id=owner, reason=reason))
