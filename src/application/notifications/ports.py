"""What notifications needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from application.shared.paging import Window
from application.shared.ports import Outbox
from domain.notifications import Kind, Preferences, Stream, StreamEntry
from domain.shared import PostId, SessionId, UserId, ViewerContext

BATCH = 100
"""Streams in one transaction, at most."""


class Streams(Protocol):
    """The streams, within a transaction."""

    async def lock(self, users: Collection[UserId]) -> Mapping[UserId, Stream]:
        """The stream of each of at most BATCH users, made with a random epoch if there is none yet. Until the
        transaction ends nobody else changes any of them. Locked in the order of the users' ids, so that two who
        lock several wait for each other and for nothing else: lock once, and all at once. Raises Unavailable if
        one of them is forgotten at this moment."""
        ...

    async def known(
        self, keys: Collection[tuple[UserId, str]]
    ) -> Mapping[tuple[UserId, str], tuple[int, ...]]:
        """Those of the dedupe keys under which that user was told something before, be it removed since, and the
        `refs` of what was told."""
        ...

    async def add(self, entries: Sequence[tuple[StreamEntry, str | None]]) -> None:
        """Add entries, each with its dedupe key: at most 100 characters, once per user, None for one that need not be
        told from others. The caller has locked the streams, asked for `known` keys, and gives each the number after its stream's head."""
        ...

    async def save(self, streams: Collection[Stream]) -> None:
        """Store where these locked streams stand now."""
        ...

    async def remove(self, user: UserId, seqs: Collection[int]) -> Sequence[tuple[int, Kind]]:
        """Make holes of those of `seqs` that are notifications, forgetting what they were but for their refs and their
        dedupe keys, of which a hash is kept; returns the number and kind of each. What is a hole already is not among them."""
        ...

    async def unread_between(self, user: UserId, above: int, up_to: int) -> Mapping[Kind, int]:
        """How many notifications stand there, by kind, holes aside."""
        ...

    async def newest_up_to(self, user: UserId, seq: int) -> int:
        """The number of the newest notification at `seq` or below, holes aside; 0 if there is none."""
        ...

    async def cut(self, user: UserId, floor: int) -> None:
        """Delete what stands below `floor`."""
        ...

    async def set_preferences(self, user: UserId, preferences: Preferences) -> None:
        """The caller has locked the stream."""
        ...

    async def preferences(self, users: Collection[UserId]) -> Mapping[UserId, Preferences]:
        """Of each of the users, the default where nothing was changed."""
        ...

    async def schedule_mail(self, user: UserId, seq: int, due: datetime) -> None:
        """Let a mail be due about what stands at `seq`, the newest, and above. If one is due about less already, it
        stays as it is; if one was sent not long ago, this one is due no sooner than its rest is over."""
        ...

    async def delete(self, user: UserId) -> None:
        """Delete the stream of the user and all that belongs to it, tickets and preferences included. For a
        user with a full stream it takes some tens of milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class NotificationsTx:
    streams: Streams
    outbox: Outbox


class NotificationRef(NamedTuple):
    """Where notifications stand that are to be removed."""

    user: UserId
    seq: int
    kind: Kind


class StreamReader(Protocol):
    """Reads outside of transactions."""

    async def stream(self, user: UserId) -> Stream | None:
        """None while nothing was told and nobody has asked."""
        ...

    async def after(self, user: UserId, seq: int, limit: int) -> Sequence[StreamEntry]:
        """Up to `limit` entries above `seq`, changes and holes included, lowest first: without a gap, if `seq` is
        not below the floor less one."""
        ...

    async def latest(self, user: UserId, window: Window, kinds: Collection[Kind]) -> Sequence[StreamEntry]:
        """A page of the notifications of these kinds, holes aside, newest first, ordered and windowed by `seq`, with
        up to `limit + 1` rows as `application.shared.paging.page` wants them."""
        ...

    async def entry(self, user: UserId, seq: int) -> StreamEntry | None:
        """None if it is not a notification, or is one no more."""
        ...

    async def heads(self, users: Collection[UserId]) -> Mapping[UserId, int]:
        """The heads of those of the users, any number, who have a stream: one question for all."""
        ...

    async def users(self, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` of those who have a stream and whose ids are greater than `after`, in their order."""
        ...

    async def preferences(self, user: UserId) -> Preferences: ...

    async def about_post(self, post: PostId, limit: int) -> Sequence[NotificationRef]:
        """Some of the notifications about the post, holes aside."""
        ...

    async def by_actor(self, actor: UserId, limit: int) -> Sequence[NotificationRef]:
        """Some of the notifications that this one caused, whoever was told."""
        ...

    async def between(
        self,
        user: UserId,
        actor: UserId,
        kinds: Collection[Kind] = tuple(Kind),
        post: PostId | None = None,
    ) -> Sequence[NotificationRef]:
        """What the user was told of the actor, all of it: of these kinds and, if one is given, about that post."""
        ...

    async def streams_to_trim(self, before: datetime, limit: int) -> Sequence[tuple[UserId, int]]:
        """Some users whose streams reach further back than `before`, or are longer than KEPT, each with the floor
        that they should have."""
        ...


class StreamTicket(NamedTuple):
    """Lets whoever has it open the stream, once, as this user."""

    user: UserId
    session: SessionId
    until: datetime
    """When the access token ends that asked for it, and with it the stream."""


class StreamTickets(Protocol):
    """Each call is a transaction of its own."""

    async def add(self, digest: bytes, ticket: StreamTicket, lasts: timedelta) -> None:
        """`digest` is of the secret that the client has; by the store's clock it is good for so long."""
        ...

    async def redeem(self, digest: bytes) -> StreamTicket | None:
        """The ticket, to one of all who try; None if there is none, or its time is over."""
        ...


class StreamHint(StrEnum):
    """Why somebody who listens should look again. A hint may be lost and may come twice."""

    STREAM = "stream"
    """There is something after the last entry."""
    HOME = "home"
    """There are new posts in the home feed."""


class StreamHints(Protocol):
    """Reaches the sockets of a user in whatever process they are."""

    async def send_hint(self, users: Collection[UserId], hint: StreamHint) -> None:
        """At best: never raises, and waits no longer than a quarter of a second."""
        ...


class PostAddressees(NamedTuple):
    """What has to be known of a post to tell people of it."""

    author: UserId
    replied_to: UserId | None
    """Who wrote what it answers; None if it answers nothing, or that is gone."""
    mentioned: Collection[UserId]


class Posts(Protocol):
    """What notifications asks the module that has posts."""

    async def addressees(self, post: PostId) -> PostAddressees | None:
        """As of now; None if it is gone."""
        ...

    async def who_sees(self, post: PostId, viewer_contexts: Collection[ViewerContext]) -> frozenset[UserId]:
        """Those of the viewers who may see the post, as of now."""
        ...

    async def involved(self, post: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` of those who liked, reposted or answered the post and whose ids are greater than
        `after`, in the order of their ids."""
        ...


class HydrateNotificationPosts(Protocol):
    """How posts are shown, by the module that has them."""

    async def __call__(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        """Those of the posts that `viewer_context` may see, as of now, ready to be presented."""
        ...


class StreamTokens(Protocol):
    """Tokens that name a session and open nothing but its stream."""

    def issue(self, user: UserId, session: SessionId) -> str:
        """The same one each time."""
        ...

    def read(self, token: str) -> tuple[UserId, SessionId] | None:
        """None for what was not issued here."""
        ...


class Sessions(Protocol):
    """What the stream asks the module that knows sessions."""

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        """Those of any number that have not ended, whose accounts are there; as of now."""
        ...


class DueMail(NamedTuple):
    """A mail that is to be sent, leased."""

    user: UserId
    since: int
    """PostAddressees what stands at this sequence number and above."""
    attempts: int
    """How often it was tried before."""
    lease: int


class MailQueue(Protocol):
    """Mails that are due: at most one of each user. Each call is a transaction of its own, and none has an effect
    on a mail whose lease was lost."""

    async def claim(self, limit: int, lease: timedelta) -> Sequence[DueMail]:
        """Up to `limit` that are due, longest due first."""
        ...

    async def done(self, mail: DueMail, up_to: int, rest: timedelta) -> None:
        """What stands up to `up_to` was told, or need not be. For `rest` nothing more is due for this user, and
        what `schedule_mail` was called for above `up_to`, before this call or after it, is due then: none is lost."""
        ...

    async def retry(self, mail: DueMail, after: timedelta) -> None:
        """Let it be due again, with all that came meanwhile; counts as an attempt."""
        ...


class Addresses(Protocol):
    """What notifications asks the module that knows accounts."""

    async def of(self, user: UserId) -> str | None:
        """The e-mail address; None if the account is gone. It goes nowhere but into the mail."""
        ...
