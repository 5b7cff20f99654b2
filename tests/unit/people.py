"""The use cases in memory, wired as the container wires them, with clocks that tests advance."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.bridges import MediaToAttach, PeopleOfIdentity
from adapters.memory.limits import MemoryLimiter
from adapters.security.common_passwords import CommonPasswords
from adapters.security.tokens import ChainedRefreshTokens, JwtAccessTokens, SigningKeys
from adapters.storage.memory import MemoryStorage
from adapters.storage.signing import TicketSigner
from adapters.text import ascii_domain, graphemes
from application.feeds.record_signals import EraseAccountSignals, RecordEngagement, RecordPostSignals
from application.identity.accounts import DeleteAccount, EditProfile
from application.identity.ending import EndAllSessions, LogOut, LogOutElsewhere, LogOutEverywhere
from application.identity.event_handlers import CountPosts
from application.identity.passwords import ChangePassword, CheckPassword, ConfirmPassword, NewPassword
from application.identity.queries import Authenticate, ListSessions, ReadAccount, ReadProfile
from application.identity.registration import Register
from application.identity.repair import RepairAccounts
from application.identity.security import AnonymizeSecurityEvents, Origin, SecurityLog
from application.identity.sessions import (
    LoggedIn,
    LogIn,
    Refresh,
    SessionMaker,
)
from application.identity.throttle import Throttle
from application.media.event_handlers import AttachMedia, DeleteDetachedMedia
from application.media.removing import PurgeMedia
from application.posts.attaching import UpdateAttachedMedia
from application.posts.deleting import DeletePost
from application.posts.editing import EditPost, PostEdit
from application.posts.engagement_lists import ListEngagedPosts, ListEngagedUsers, ListPinned
from application.posts.engagements import EngagementSummary, PinPost, SetEngagement
from application.posts.erasing import EraseAuthor, SweepGone
from application.posts.event_handlers import RestrictAuthor, RestrictComment
from application.posts.publishing import PostDraft, PublishedPost, PublishPost
from application.posts.queries import (
    ListByAuthor,
    PresentedPost,
    PresentPosts,
    ReadHistory,
    ReadPost,
    ReadPosts,
)
from application.posts.repair import RepairPosts
from application.posts.threads import ListComments, ReadContext
from application.shared.errors import Overloaded
from application.shared.events import (
    AccountDeleted,
    AttachedMediaChanged,
    Edited,
    Event,
    Liked,
    MediaAttached,
    MediaDetached,
    PostDeleted,
    ProfileChanged,
    Published,
    Reposted,
    Unliked,
    Unreposted,
)
from application.shared.ports import IdempotentRequest
from application.shared.relay import Relay
from application.shared.subscriptions import InProcess, Subscription, on, on_long
from domain.posts import Engagement, Visibility
from domain.shared import DomainError, PostId, UserId
from tests.port_contracts.stores import BEGINNING, Stores, memory, new_id
from tests.unit.viewer_contexts import FakeGraph


async def refused(work: Awaitable[object]) -> type[DomainError] | None:
    """The type of the error that `work` raises; None if it raises none."""
    try:
        await work
    except DomainError as error:
        return type(error)
    return None


PASSWORD = "correct horse battery"
COMMON = CommonPasswords()


@dataclass
class Time:
    """The wall clock and the monotonic clock. Both advance together, and only in `advance`."""

    now: datetime = BEGINNING

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - BEGINNING).total_seconds()

    def advance(self, span: timedelta) -> None:
        self.now += span


@dataclass
class PlainPasswords:
    """Stores passwords unhashed. A stored password with the prefix `old:` counts as outdated."""

    full: bool = False

    def admit(self) -> None:
        if self.full:
            raise Overloaded("no room")

    async def hash(self, password: str) -> str:
        return f"new:{password}"

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        await asyncio.sleep(0)  # a hash takes long: other tasks run meanwhile
        if hashed is None or hashed.partition(":")[2] != password:
            return False, None
        return True, None if hashed.startswith("new:") else await self.hash(password)


_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_KEYS = SigningKeys("kid", _PRIVATE, {"kid": _PRIVATE.public_key()})


@dataclass
class Waggle:
    stores: Stores
    time: Time = field(default_factory=Time)
    seeds: int = 0
    graph: FakeGraph = field(default_factory=FakeGraph)

    def __post_init__(self) -> None:
        stores, time = self.stores, self.time
        tokens = JwtAccessTokens(_KEYS, "https://waggle.example.org")
        self.authenticate = Authenticate(tokens, stores.people, time, time.monotonic)
        ended = self.authenticate.sessions_ended
        sessions = SessionMaker(time, new_id, self._seed, tokens, ChainedRefreshTokens(b"k" * 32))
        self.passwords = passwords = PlainPasswords()
        new_password = NewPassword(COMMON, ["waggle"])
        self.security = security = SecurityLog(
            stores.security, time, time.monotonic, lambda: Origin("203.0.113.0/24", "request 1")
        )
        throttle = Throttle(MemoryLimiter(time.monotonic), lambda *parts: b" ".join(parts).hex())
        self.register = Register(
            stores.open_identity,
            passwords,
            new_password,
            sessions,
            new_id,
            graphemes,
            ascii_domain,
            throttle,
            security,
        )
        self.log_in = LogIn(
            stores.open_identity, stores.people, passwords, sessions, ascii_domain, throttle, security, ended
        )
        self.refresh = Refresh(stores.open_identity, sessions, time, security, ended)
        self.end_all_sessions = EndAllSessions(stores.open_identity, time, security)
        self.log_out = LogOut(stores.open_identity, time, security, ended)
        self.log_out_elsewhere = LogOutElsewhere(stores.open_identity, time, security, ended)
        self.log_out_everywhere = LogOutEverywhere(stores.open_identity, time, security, ended)
        self.list_sessions = ListSessions(stores.people, time)
        check = CheckPassword(stores.people, passwords, throttle)
        self.confirm = ConfirmPassword(stores.open_identity, check, sessions, time, security)
        self.change_password = ChangePassword(
            stores.open_identity,
            stores.people,
            check,
            passwords,
            new_password,
            sessions,
            time,
            security,
            ended,
        )
        self.edit_profile = EditProfile(stores.open_identity, graphemes)
        self.delete_account = DeleteAccount(stores.open_identity, time, security, ended)
        self.read_account = ReadAccount(stores.people)
        self.read_profile = ReadProfile(stores.people)
        self.people = PeopleOfIdentity(stores.people, time.monotonic, ttl=1.0)
        present, viewer_contexts = PresentPosts(self.people), self.graph
        attachable = MediaToAttach(stores.media, lambda: BEGINNING)
        self.publish = PublishPost(
            stores.open_posts, viewer_contexts, self.people, attachable, new_id, graphemes
        )
        self.delete = DeletePost(stores.open_posts, viewer_contexts)
        self.engage = SetEngagement(stores.open_posts, viewer_contexts, new_id)
        self.pin = PinPost(stores.open_posts, viewer_contexts, new_id)
        self.engaged_users = ListEngagedUsers(viewer_contexts, stores.posts, stores.engagements, self.people)
        self.engaged_posts = ListEngagedPosts(viewer_contexts, stores.engagements, present)
        self.pinned = ListPinned(viewer_contexts, stores.engagements, self.people, present)
        self.repair_posts = RepairPosts(stores.counters)
        self.repair_accounts = RepairAccounts(stores.open_identity, stores.authorship)
        self.read = ReadPost(viewer_contexts, stores.posts, present)
        self.by_author = ListByAuthor(viewer_contexts, stores.posts, self.people, present)
        self.comments = ListComments(viewer_contexts, stores.posts, present)
        self.read_several = ReadPosts(viewer_contexts, stores.posts, present)
        self.history = ReadHistory(viewer_contexts, stores.posts)
        self.context = ReadContext(viewer_contexts, stores.posts, present)
        self.edit = EditPost(stores.open_posts, viewer_contexts, self.people, time, graphemes, self.read)
        self.sweep = SweepGone(stores.open_posts)
        self.attachable = attachable
        self.subscriptions = self._subscriptions()
        self.relay = Relay(stores.queue, InProcess(self.subscriptions))

    def _subscriptions(self) -> list[Subscription]:
        stores, time = self.stores, self.time
        count_posts = CountPosts(stores.open_identity)
        record_engagement = RecordEngagement(stores.open_signals)
        record_post_signals = RecordPostSignals(stores.open_signals, time)
        no_objects = MemoryStorage(TicketSigner(b"k" * 32, "http://a"), lambda: BEGINNING)
        restrict_comment = RestrictComment(stores.open_posts, stores.accounts)
        purge = PurgeMedia(stores.open_media, no_objects)
        return [
            on(Published, "posts.restrict_comment", restrict_comment),
            on(Published, "identity.count_posts", count_posts),
            on(PostDeleted, "identity.count_posts", count_posts),
            on(Published, "feeds.record_signals", record_post_signals),
            on(Edited, "feeds.record_signals", record_post_signals),
            on(PostDeleted, "feeds.record_signals", record_post_signals),
            on(Liked, "feeds.record_signals", record_engagement),
            on(Unliked, "feeds.record_signals", record_engagement),
            on(Reposted, "feeds.record_signals", record_engagement),
            on(Unreposted, "feeds.record_signals", record_engagement),
            on(AccountDeleted, "identity.forget_card", self.people.forget),
            on_long(AccountDeleted, "posts.erase_author", EraseAuthor(stores.open_posts, time.monotonic)),
            on(AccountDeleted, "feeds.erase_signals", EraseAccountSignals(stores.open_signals)),
            on(
                AccountDeleted, "identity.anonymize_security_events", AnonymizeSecurityEvents(stores.security)
            ),
            on(MediaAttached, "media.track_attachments", AttachMedia(stores.open_media)),
            on(MediaDetached, "media.track_attachments", DeleteDetachedMedia(stores.open_media, purge)),
            on(
                AttachedMediaChanged,
                "posts.update_attached_media",
                UpdateAttachedMedia(stores.open_posts, self.attachable),
            ),
            on(ProfileChanged, "identity.forget_card", self.people.forget),
            on_long(
                ProfileChanged, "posts.restrict_author", RestrictAuthor(stores.open_posts, time.monotonic)
            ),
        ]

    def _seed(self, size: int) -> bytes:
        self.seeds += 1
        return self.seeds.to_bytes(size, "big")

    async def register_user(self, name: str = "ann") -> LoggedIn:
        return await self.register(name, f"{name}@example.org", PASSWORD, name.title(), None)

    async def log_in_user(self, name: str = "ann") -> LoggedIn:
        return await self.log_in(name, PASSWORD, None)

    async def new_user(self, name: str = "ann") -> UserId:
        return (await self.register_user(name)).user.id

    async def publish_text(
        self,
        author: UserId,
        text: str = "hello",
        visibility: Visibility | None = None,
        reply_to: PostId | None = None,
        idempotent_request: IdempotentRequest | None = None,
    ) -> PublishedPost:
        return await self.publish(
            author, PostDraft(text=text, visibility=visibility, reply_to=reply_to), idempotent_request
        )

    async def post(
        self,
        author: UserId,
        text: str = "hello",
        visibility: Visibility | None = None,
        reply_to: PostId | None = None,
    ) -> PresentedPost:
        return (await self.publish_text(author, text, visibility, reply_to)).presented

    async def post_directly(self, author: UserId) -> PresentedPost:
        """A direct post to a user who plays no other part in the test."""
        await self.new_user("confidant")
        return await self.post(author, "psst @confidant", Visibility.DIRECT)

    async def like(self, user: UserId, post_id: PostId, *, liked: bool) -> EngagementSummary:
        return await self.engage(user, post_id, Engagement.LIKE, on=liked)

    async def edits(
        self, user: UserId, post: PostId, text: str | None = None, version: int | None = None
    ) -> PresentedPost:
        return await self.edit(user, post, PostEdit(text=text), version)

    async def pending_events(self) -> list[Event | None]:
        """The published events that are not delivered yet."""
        claimed = await self.stores.queue.claim_events(1000, timedelta(minutes=1))
        await self.stores.queue.release(claimed)
        return [delivery.event for delivery in claimed]


@asynccontextmanager
async def waggle_in_memory() -> AsyncIterator[Waggle]:
    async with memory() as stores:
        yield Waggle(stores)
