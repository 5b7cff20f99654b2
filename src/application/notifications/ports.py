"""The driven ports of notifications."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from application.shared.paging import Window
from domain.dataclasses import dataclass
from domain.notifications import NotificationKind, Preferences, Stream, StreamEntry
from domain.shared import PostId, SessionId, UserId, ViewerContext

BATCH = 100
"""Most streams in one transaction."""


class Streams(Protocol):
    """Changes streams within a transaction."""

    async def lock(self, users: Collection[UserId]) -> Mapping[UserId, Stream]:
        """Lock the streams of up to BATCH users until the transaction ends. A missing stream is created, with a random
        epoch.

        Streams are locked in the order of user ids, so that transactions cannot deadlock: call it once per transaction,
        with all users. Raises Unavailable if one of the streams is being deleted."""
        ...

    async def known(
        self, keys: Collection[tuple[UserId, str]]
    ) -> Mapping[tuple[UserId, str], tuple[int, ...]]:
        """Those of the dedupe keys with which the user was notified before, even if the notification was removed since,
        and the `refs` of those notifications."""
        ...

    async def add(self, entries: Sequence[tuple[StreamEntry, str | None]]) -> None:
        """Add entries, each with its dedupe key: at most 100 characters, unique per user, None if it needs none. The
        caller has locked the streams, has asked for `known` keys, and numbers the entries from the head of their
        stream."""
        ...

    async def save(self, streams: Collection[Stream]) -> None:
        """Store the new state of these locked streams."""
        ...

    async def remove(self, user: UserId, seqs: Collection[int]) -> Sequence[tuple[int, NotificationKind]]:
        """Turn the notifications among `seqs` into tombstones, which keep only their `refs` and a hash of their dedupe
        key. Returns number and kind of each that was removed, without those that were removed before."""
        ...

    async def unread_between(self, user: UserId, above: int, up_to: int) -> Mapping[NotificationKind, int]:
        """Notifications with above < seq <= up_to, counted by kind, without tombstones."""
        ...

    async def newest_up_to(self, user: UserId, seq: int) -> int:
        """The sequence number of the newest notification at `seq` or below, without tombstones; 0 if there is none."""
        ...

    async def cut(self, user: UserId, floor: int) -> None:
        """Delete the entries below `floor`."""
        ...

    async def set_preferences(self, user: UserId, preferences: Preferences) -> None:
        """The caller has locked the stream."""
        ...

    async def preferences(self, users: Collection[UserId]) -> Mapping[UserId, Preferences]:
        """The preferences of each user; the defaults where nothing was changed."""
        ...

    async def schedule_mail(self, user: UserId, seq: int, due: datetime) -> None:
        """Schedule a mail about the entries from `seq`, the newest one, on. An earlier scheduled mail covers them as
        well and keeps its time. After a recent mail the new one is not due before its cooldown ends."""
        ...

    async def delete(self, user: UserId) -> None:
        """Delete the user's stream and everything that belongs to it, including tickets and preferences. Takes some
        tens of milliseconds for a full stream."""
        ...


@dataclass(frozen=True, slots=True)
class NotificationsTx:
    streams: Streams


class NotificationRef(NamedTuple):
    """The position of a notification in the stream of a user."""

    user: UserId
    seq: int
    kind: NotificationKind


class StreamReader(Protocol):
    """Reads outside of transactions."""

    async def stream(self, user: UserId) -> Stream | None:
        """None until the first notification, or until the first read by the user."""
        ...

    async def after(self, user: UserId, seq: int, limit: int) -> Sequence[StreamEntry]:
        """Up to `limit` entries above `seq`, lowest first, including changes and tombstones. Gapless if `seq >= floor -
        1`."""
        ...

    async def latest(
        self, user: UserId, window: Window, kinds: Collection[NotificationKind]
    ) -> Sequence[StreamEntry]:
        """A page of the notifications of these kinds, without tombstones, newest first, ordered and windowed by `seq`.
        Returns up to `limit + 1` rows, as `application.shared.paging.page` requires."""
        ...

    async def entry(self, user: UserId, seq: int) -> StreamEntry | None:
        """None if the entry is not a notification, or was removed."""
        ...

    async def heads(self, users: Collection[UserId]) -> Mapping[UserId, int]:
        """The heads of the streams of any number of users, in one query. Users without a stream are left out."""
        ...

    async def users(self, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` users who have a stream and whose ids are greater than `after`, ordered by id."""
        ...

    async def preferences(self, user: UserId) -> Preferences: ...

    async def about_post(self, post: PostId, limit: int) -> Sequence[NotificationRef]:
        """Up to `limit` notifications about the post, without tombstones, in any order."""
        ...

    async def by_actor(self, actor: UserId, limit: int) -> Sequence[NotificationRef]:
        """Up to `limit` notifications that this account caused, in any order."""
        ...

    async def between(
        self,
        user: UserId,
        actor: UserId,
        kinds: Collection[NotificationKind] = tuple(NotificationKind),
        post: PostId | None = None,
    ) -> Sequence[NotificationRef]:
        """All notifications of the user about the actor, of these kinds and, if given, about that post."""
        ...

    async def streams_to_trim(self, before: datetime, limit: int) -> Sequence[tuple[UserId, int]]:
        """Up to `limit` users whose streams have entries older than `before`, or more than MAX_STREAM_ENTRIES, each
        with the floor that the stream should have."""
        ...


class StreamTicket(NamedTuple):
    """Opens the stream once as this user, whoever presents it."""

    user: UserId
    session: SessionId
    until: datetime
    """When the access token expires with which the ticket was requested, and with it the stream."""


class StreamTickets(Protocol):
    """Each call is a transaction of its own."""

    async def add(self, digest: bytes, ticket: StreamTicket, lasts: timedelta) -> None:
        """Store a ticket under the digest of its secret. It is valid for `lasts`, by the store's clock."""
        ...

    async def redeem(self, digest: bytes) -> StreamTicket | None:
        """Redeem the ticket; of concurrent attempts one succeeds. Returns None if there is no such ticket, or if it has
        expired."""
        ...


class StreamHint(StrEnum):
    """Why a client should look again. A hint may be lost, and may be sent twice."""

    STREAM = "stream"
    """The stream has new entries."""
    HOME = "home"
    """The home feed has new posts."""


class StreamHints(Protocol):
    """Reaches the open streams of a user in every process."""

    async def send_hint(self, users: Collection[UserId], hint: StreamHint) -> None:
        """Best effort: never raises, and takes at most 250 ms."""
        ...


class PostAddressees(NamedTuple):
    """The members of a post that decide which users are notified of it."""

    author: UserId
    replied_to: UserId | None
    """The author of the post that it replies to; None if it is no reply, or if that post is deleted."""
    mentioned: Collection[UserId]


class NotificationPosts(Protocol):
    """The questions that notifications asks the module that stores posts."""

    async def addressees(self, post: PostId) -> PostAddressees | None:
        """As of now; None if the post is deleted."""
        ...

    async def who_sees(self, post: PostId, viewer_contexts: Collection[ViewerContext]) -> frozenset[UserId]:
        """Those of the viewers who may see the post, as of now."""
        ...

    async def involved(self, post: PostId, after: UserId, limit: int) -> Sequence[UserId]:
        """Up to `limit` users with ids greater than `after` who liked, reposted or replied to the post, by id."""
        ...


class HydrateNotificationPosts(Protocol):
    """Hydration of posts, by the module that stores them."""

    async def __call__(
        self, viewer_context: ViewerContext, posts: Collection[PostId]
    ) -> Mapping[PostId, object]:
        """Those of the posts that `viewer_context` may see, as of now, ready to be hydrated."""
        ...


class StreamTokens(Protocol):
    """Tokens that identify a session and open its stream, and nothing else."""

    def issue(self, user: UserId, session: SessionId) -> str:
        """Returns the same token each time."""
        ...

    def read(self, token: str) -> tuple[UserId, SessionId] | None:
        """None if the token is not valid."""
        ...


class DueMail(NamedTuple):
    """A leased mail that is to be sent."""

    user: UserId
    since: int
    """The mail covers entries from this sequence number on."""
    attempts: int
    """Earlier attempts to send it."""
    lease: int


class MailQueue(Protocol):
    """Mails that are due, at most one per user. Each call is a transaction of its own, and has no effect on a mail
    whose lease was lost."""

    async def claim(self, limit: int, lease: timedelta) -> Sequence[DueMail]:
        """Lease up to `limit` mails that are due, longest due first."""
        ...

    async def done(self, mail: DueMail, up_to: int, cooldown: timedelta) -> None:
        """Record that entries up to `up_to` were mailed, or need not be. During `cooldown` no other mail is due for the
        user. Entries above `up_to` that are scheduled before or after this call are due after the cooldown; none is
        lost."""
        ...

    async def retry(self, mail: DueMail, after: timedelta) -> None:
        """Make the mail due again after this time, including entries that were scheduled meanwhile. Counts as an
        attempt."""
        ...

    async def waiting(self) -> int:
        """The number of mails that will be due or are due, at most 100,000 if there are many. A user in the cooldown without
        new entries has none."""
        ...


class MailAddresses(Protocol):
    """The question that notifications asks the module that stores accounts."""

    async def of(self, user: UserId) -> str | None:
        """The e-mail address; None if the account is deleted. Use it in the mail only, and never log it."""
        ...
