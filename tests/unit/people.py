"""The use cases in memory, wired as the container wires them, with clocks that tests advance."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.folders import TemporaryFolders
from adapters.in_process.media import OwnersOfPosts
from adapters.mail.unsent import NoMail
from adapters.memory.limits import MemoryLimiter
from adapters.processing.parent import ChildProcessor
from adapters.security.common_passwords import CommonPasswords
from adapters.security.tokens import ChainedRefreshTokens, JwtAccessTokens, SigningKeys, make_key
from adapters.storage.memory import MemoryStorage
from adapters.storage.signing import TicketSigner
from adapters.text import ascii_domain, graphemes
from application.feeds.record_signals import EraseAccountSignals, RecordEngagement, RecordPostSignals
from application.identity.module import IdentityModule, IdentityNeeds
from application.identity.security import Origin
from application.identity.sessions import LoggedIn
from application.media.module import MediaModule, MediaNeeds
from application.media.uploading import UploadLimits
from application.posts.editing import PostEdit
from application.posts.engagements import EngagementSummary
from application.posts.module import PostsModule, PostsNeeds
from application.posts.publishing import PostDraft, PublishedPost
from application.posts.queries import HydratedPost
from application.shared.errors import Overloaded
from application.shared.events import (
    AccountDeleted,
    Edited,
    Event,
    Liked,
    PostDeleted,
    Published,
    Reposted,
    Unliked,
    Unreposted,
)
from application.shared.mail import Site
from application.shared.ports import IdempotentRequest
from application.shared.readings import Readings
from application.shared.relay import Relay
from application.shared.subscriptions import InProcess, Subscription, deliver_again, on
from domain.posts import Engagement, Visibility
from domain.shared import DomainError, EventId, PostId, UserId
from tests.port_contracts.stores import BEGINNING, SECRETS, Stores, memory, new_id
from tests.unit.clock import Time
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
        self.passwords = PlainPasswords()
        self.identity = identity = self._identity()
        self.media = media = self._media(identity)
        self.posts = posts = PostsModule.build(
            stores=self.stores.posts,
            needs=PostsNeeds(
                viewer_contexts=self.graph,
                people=identity.cards,
                attachable=media.attachable,
                graphemes=graphemes,
                now=self.time,
                monotonic=self.time.monotonic,
                new_id=new_id,
            ),
        )
        self.authenticate, self.security = identity.authenticate, identity.security
        self.register, self.log_in, self.refresh = identity.register, identity.log_in, identity.refresh
        self.log_out, self.end_session = identity.log_out, identity.end_own_session
        self.end_sessions = identity.end_own_sessions
        self.end_sessions_of_all_users = identity.end_sessions_of_all_users
        self.list_sessions = identity.list_sessions
        self.confirm, self.change_password = identity.confirm_password, identity.change_password
        self.edit_profile, self.delete_account = identity.edit_profile, identity.delete_account
        self.read_account, self.read_profile = identity.read_account, identity.read_profile
        self.repair_accounts, self.people = identity.repair_accounts, identity.cards
        self.publish, self.edit, self.delete = posts.publish_post, posts.edit_post, posts.delete_post
        self.engage, self.pin = posts.set_engagement, posts.pin_post
        self.engaged_users, self.engaged_posts, self.pinned = (
            posts.list_engaged_users,
            posts.list_engaged_posts,
            posts.list_pinned,
        )
        self.read, self.read_several, self.history = posts.read_post, posts.read_posts, posts.read_history
        self.by_author, self.comments, self.context = (
            posts.list_by_author,
            posts.list_comments,
            posts.read_context,
        )
        self.repair_posts = posts.repair_posts
        self.subscriptions = self._subscriptions()
        self.relay = Relay(self.stores.queue, InProcess(self.subscriptions))

    def _identity(self) -> IdentityModule:
        return IdentityModule.build(
            stores=self.stores.identity,
            needs=IdentityNeeds(
                viewer_contexts=self.graph,
                authorship=self.stores.authorship,
                passwords=self.passwords,
                common_passwords=COMMON,
                access_tokens=JwtAccessTokens(_KEYS, "https://waggle.example.org"),
                refresh_tokens=ChainedRefreshTokens(b"k" * 32),
                confirmation_token=lambda seed: seed.hex(),
                make_key=partial(make_key, SECRETS),
                limiter=MemoryLimiter(self.time.monotonic),
                fingerprint=lambda *parts: b" ".join(parts).hex(),
                mail=NoMail(),
                ascii_domain=ascii_domain,
                graphemes=graphemes,
                origin=lambda: Origin("203.0.113.0/24", "request 1"),
                now=self.time,
                monotonic=self.time.monotonic,
                new_id=new_id,
                random_bytes=self._seed,
                site=Site.at("https://waggle.example.org"),
                site_names=["waggle"],
                confirm_email=False,
                card_ttl=1.0,
                readings=Readings(),
            ),
        )

    def _media(self, identity: IdentityModule) -> MediaModule:
        """Without bytes, at the beginning of time."""
        return MediaModule.build(
            stores=self.stores.media,
            needs=MediaNeeds(
                owners=OwnersOfPosts(lambda: self.stores.posts.restricted_authors),
                sessions=identity.live_sessions,
                storage=MemoryStorage(TicketSigner(b"k" * 32, "http://a"), lambda: BEGINNING),
                processor=ChildProcessor(),
                folder=TemporaryFolders(Path("/nowhere")),
                limits=UploadLimits(file_bytes=1, user_bytes=1, files_a_day=1),
                new_secret=lambda: "secret",
                graphemes=graphemes,
                now=lambda: BEGINNING,
                new_id=new_id,
            ),
        )

    def _subscriptions(self) -> list[Subscription]:
        record_engagement = RecordEngagement(self.stores.feeds.open_tx)
        record_post_signals = RecordPostSignals(self.stores.feeds.open_tx, self.time)
        return [
            *self.identity.subscriptions(),
            *self.posts.subscriptions(),
            *self.media.subscriptions(),
            on(Published, "feeds.record_signals", record_post_signals),
            on(Edited, "feeds.record_signals", record_post_signals),
            on(PostDeleted, "feeds.record_signals", record_post_signals),
            on(Liked, "feeds.record_signals", record_engagement),
            on(Unliked, "feeds.record_signals", record_engagement),
            on(Reposted, "feeds.record_signals", record_engagement),
            on(Unreposted, "feeds.record_signals", record_engagement),
            on(AccountDeleted, "feeds.erase_signals", EraseAccountSignals(self.stores.feeds.open_tx)),
        ]

    async def erase_late_writes(self) -> None:
        """As the maintenance of a server does."""
        for user in await self.posts.list_recently_deleted():
            await deliver_again(self.relay.subscribers, AccountDeleted(user_id=user), EventId(new_id()))

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
    ) -> HydratedPost:
        return (await self.publish_text(author, text, visibility, reply_to)).hydrated

    async def post_directly(self, author: UserId) -> HydratedPost:
        """A direct post to a user who plays no other part in the test."""
        await self.new_user("confidant")
        return await self.post(author, "psst @confidant", Visibility.DIRECT)

    async def like(self, user: UserId, post_id: PostId, *, liked: bool) -> EngagementSummary:
        return await self.engage(user, post_id, Engagement.LIKE, on=liked)

    async def edits(
        self, user: UserId, post: PostId, text: str | None = None, version: int | None = None
    ) -> HydratedPost:
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
