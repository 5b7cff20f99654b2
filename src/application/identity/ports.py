"""The ports that identity needs from the outside."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, TypeAlias

from application.shared.events import PostDeleted, Published
from application.shared.paging import Window
from application.shared.people import AuthorCard
from application.shared.ports import Idempotency, Inbox, Outbox
from domain.dataclasses import dataclass
from domain.identity import Account, Session
from domain.shared import EventId, SessionId, UserId


class Accounts(Protocol):
    """The accounts, within a transaction."""

    async def add(self, account: Account) -> None:
        """Raise UsernameTaken if another account has the username, or while the name of a deleted account is not yet free
        again. Raise EmailTaken if another account has the address, but only if the username is free."""
        ...

    async def get(self, user_id: UserId) -> Account:
        """The account, locked until the transaction ends. Raises UserNotFound."""
        ...

    async def save(self, account: Account) -> None:
        """Replace the profile of the stored account: display name, bio, privacy, version."""
        ...

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None: ...

    async def remove(self, account: Account, rests_until: datetime) -> None:
        """Delete the account, and keep its username from being registered until `rests_until`. Its sessions must have been
        deleted."""
        ...

    async def count_posts(self, user_id: UserId, change: int) -> None:
        """Add `change` to the account's post count. No effect on a deleted account."""
        ...

    async def post_counts(self, after: UserId, limit: int) -> Mapping[UserId, int]:
        """The post counts of up to `limit` accounts with ids above `after`, in the order of the ids. The accounts are
        locked until the transaction ends."""
        ...


class Sessions(Protocol):
    """The sessions, within a transaction."""

    async def add(self, session: Session) -> None: ...

    async def get(self, session_id: SessionId) -> Session:
        """The session, locked until the transaction ends. Raises SessionEnded if there is none."""
        ...

    async def save(self, session: Session) -> None: ...

    async def remove_all(self, user_id: UserId) -> Sequence[SessionId]:
        """Delete the sessions of a user. Returns their ids."""
        ...

    async def make_room(self, user_id: UserId, keep: int) -> Sequence[SessionId]:
        """Delete all but `keep` sessions of a user: first the ended ones, then those that were not used for longest.
        Returns the ids of the deleted sessions. The caller must hold the lock of the account."""
        ...

    async def end_some(self, before: datetime, now: datetime, limit: int) -> Sequence[SessionId]:
        """End up to `limit` sessions of any user that began before `before`. Returns the ids of the sessions that this call
        ended."""
        ...

    async def end_all(
        self, user_id: UserId, now: datetime, *, but: SessionId | None = None
    ) -> Sequence[SessionId]:
        """End every session of the user except `but`. Returns the ids of the sessions that this call ended.

        The caller must hold the lock of the account. A login holds it too, so that no session is missed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRegistration:
    """A registration whose e-mail address is not confirmed yet. It does not depend on whether the address has an
    account."""

    id: int
    username: str
    email: str
    password_hash: str
    display_name: str
    seed: bytes
    """16 random bytes, from which the server's key derives the token. The token itself is not stored."""
    digest: bytes
    """The SHA-256 of the token."""
    expires_at: datetime


class PendingRegistrations(Protocol):
    """The pending registrations, within a transaction."""

    async def add(self, pending: PendingRegistration, now: datetime) -> None:
        """Reserve the username until the registration expires, and let its mail be due now. Raise UsernameTaken if an
        account or another pending registration has the username, or while the name of a deleted account is not yet free
        again. The address is not checked."""
        ...

    async def take(self, digest: bytes, now: datetime) -> PendingRegistration | None:
        """Remove the registration with this token and return it; None if there is none, or if it has expired. Of several
        concurrent callers only one gets it."""
        ...


@dataclass(frozen=True, slots=True)
class IdentityTx:
    accounts: Accounts
    sessions: Sessions
    pending: PendingRegistrations
    outbox: Outbox
    inbox: Inbox
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class PostCountsTx:
    accounts: Accounts
    inbox: Inbox


@dataclass(frozen=True, slots=True)
class Credentials:
    user_id: UserId
    password_hash: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """An active session, as its owner sees it."""

    id: SessionId
    device: str
    last_used_at: datetime


class IdentityReader(Protocol):
    """Reads outside of a transaction. Each sees what was committed when it began."""

    async def account(self, user_id: UserId) -> Account:
        """Raises UserNotFound."""
        ...

    async def account_named(self, username: str) -> Account:
        """The account with this canonical username. Raises UserNotFound."""
        ...

    async def credentials(self, *, username: str, email: str) -> Credentials | None:
        """The credentials of the account with that canonical username or that e-mail key; None if there is none."""
        ...

    async def recognises(self, user_id: UserId, network: str) -> bool:
        """Whether the user has, or had, a session that was opened from this network (its keyed hash)."""
        ...

    async def session_alive(self, session_id: SessionId, now: datetime) -> bool: ...

    async def sessions_alive(self, session_ids: Collection[SessionId], now: datetime) -> frozenset[SessionId]:
        """The sessions of `session_ids` that are active at `now`, read with one query."""
        ...

    async def sessions_of(self, user_id: UserId, now: datetime, window: Window) -> Sequence[SessionRow]:
        """The sessions that are active at `now`, newest first. One more than the window's limit if there is one."""
        ...

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        """The cards of the accounts that exist."""
        ...

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        """The ids of the accounts with these canonical usernames, as far as they exist."""
        ...


@dataclass(frozen=True, slots=True)
class AuthorPostCounts:
    """The post counts of some authors, as a profile counts posts, read at one moment."""

    posts: Mapping[UserId, int]
    """The number of posts of each author that has any."""
    undelivered: Sequence[tuple[EventId, Published | PostDeleted]]
    """Events that may not have been handled yet, those of other authors included. `posts` already reflects them."""


class Authorship(Protocol):
    """The questions that identity asks the module that owns posts."""

    async def of(self, authors: Collection[UserId], subscriber: str) -> AuthorPostCounts:
        """As of one moment, with the events that are not delivered to `subscriber` yet."""
        ...


class Passwords(Protocol):
    """Hashes passwords. Slow on purpose; runs off the event loop. Runs a limited number at the same time, and raises
    Overloaded beyond that."""

    def admit(self) -> None:
        """Raise Overloaded if the limit is reached at this moment. For callers that would do other work first."""
        ...

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """Returns whether they match, and a new hash to store if `hashed` was made with outdated parameters.

        For None, an unknown account, it returns False, after the same time as for a known account.
        """
        ...


class CommonPasswordCheck(Protocol):
    def __call__(self, secret: str) -> bool:
        """Whether the password is one of the most common ones, whatever its case."""
        ...


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of an access token."""

    user_id: UserId
    session_id: SessionId
    issued_at: datetime
    expires_at: datetime


class DueConfirmation(NamedTuple):
    """The mail of a pending registration, leased."""

    id: int
    username: str
    email: str
    seed: bytes
    sent: int
    """The number of mails about registrations that were sent to this address within the last hour."""
    attempts: int
    """The number of earlier attempts to send this mail."""
    lease: int
    """Identifies this lease among all leases of the mail."""


class ConfirmationQueue(Protocol):
    """The mails of pending registrations, one for each. Each call is a transaction of its own. A call has no effect on a
    mail whose lease was lost."""

    async def claim(self, limit: int, lease: timedelta) -> Sequence[DueConfirmation]:
        """Lease up to `limit` due mails of registrations that have not expired, oldest first. At most one mail to an
        address is leased at any moment, so that `sent` is exact."""
        ...

    async def done(self, due: DueConfirmation, *, sent: bool) -> None:
        """Mark the mail as no longer due. With `sent`, it counts as sent to its address."""
        ...

    async def retry(self, due: DueConfirmation, after: timedelta) -> None:
        """Let the mail be due again after the time `after`, with one more attempt counted."""
        ...


class AccessTokens(Protocol):
    def issue(
        self, user_id: UserId, session_id: SessionId, now: datetime, generation: int = 0
    ) -> tuple[str, int]:
        """A signed token and its lifetime in seconds. Each generation of a session has a different token. Equal arguments,
        with times to the second, give an equal token."""
        ...

    def verify(self, token: str, now: datetime) -> Claims:
        """Raises TokenInvalid for anything but a token that `issue` made and that has not expired."""
        ...


class RefreshTokens(Protocol):
    def issue(self, session: Session) -> str:
        """The token of the session's current generation. Equal arguments give an equal token."""
        ...

    def read(self, token: str) -> tuple[SessionId, int]:
        """The session and the generation that the token names, not verified. Raises SessionEnded for anything that does not
        have the form of a token."""
        ...

    def matches(self, token: str, session: Session, generation: int) -> bool:
        """Whether `token` is the genuine token of `session` and `generation`."""
        ...


KeyState: TypeAlias = Literal["next", "active", "retiring"]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key of access tokens, as it is stored."""

    kid: str
    private_sealed: bytes
    """Empty once the key has stopped signing."""
    public: bytes
    made_at: datetime
    state: KeyState
    """`next` is published and does not sign yet, `active` signs, `retiring` only verifies."""
    retired_at: datetime | None = None
    """When the key stopped signing."""


class Keys(Protocol):
    """The keys, within a transaction in which nobody else changes them."""

    async def all(self) -> Sequence[StoredKey]: ...

    async def put(self, key: StoredKey) -> None:
        """Add the key, or replace the one with its kid. At most one key may be active at any moment."""
        ...

    async def remove(self, kid: str) -> None: ...


class KeyStore(Protocol):
    async def keys(self) -> Sequence[StoredKey]: ...

    def changing(self) -> AbstractAsyncContextManager[Keys]:
        """A transaction, like `OpenTx`. Others can read the keys meanwhile, but cannot change them."""
        ...
