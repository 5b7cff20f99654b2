"""What identity needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, TypeAlias

from application.shared.events import PostDeleted, Published
from application.shared.paging import Window
from application.shared.people import AuthorCard
from application.shared.ports import Idempotency, Inbox, Outbox
from domain.identity import Account, Session
from domain.shared import EventId, SessionId, UserId


class Accounts(Protocol):
    """The accounts, within a transaction."""

    async def add(self, account: Account) -> None:
        """Raise UsernameTaken if another account has the name, whatever the case, or while it rests. Only if the name
        is free, raise EmailTaken if another account has the address."""
        ...

    async def get(self, user_id: UserId) -> Account:
        """The account, locked until the transaction ends; raise UserNotFound if there is none."""
        ...

    async def save(self, account: Account) -> None:
        """Replace the profile members of the stored account (names, bio, version)."""
        ...

    async def set_password_hash(self, user_id: UserId, password_hash: str) -> None: ...

    async def remove(self, account: Account, rests_until: datetime) -> None:
        """Delete the account, whose sessions are gone, and let its name rest."""
        ...

    async def count_posts(self, user_id: UserId, change: int) -> None:
        """Add `change` to the account's post count. No effect on an account that is gone."""
        ...

    async def post_counts(self, after: UserId, limit: int) -> Mapping[UserId, int]:
        """The post counts of up to `limit` accounts with ids above `after`, in their order, locked until
        the transaction ends."""
        ...


class Sessions(Protocol):
    async def add(self, session: Session) -> None: ...

    async def get(self, session_id: SessionId) -> Session:
        """The session, locked until the transaction ends; raise SessionEnded if there is none."""
        ...

    async def save(self, session: Session) -> None: ...

    async def remove_all(self, user_id: UserId) -> Sequence[SessionId]:
        """Delete the sessions of a user; which they were."""
        ...

    async def make_room(self, user_id: UserId, keep: int) -> Sequence[SessionId]:
        """Delete all but `keep` sessions of a user, the ended ones first and then those that were not used for
        longest; which they were. The caller holds the lock of the account."""
        ...

    async def end_some(self, before: datetime, now: datetime, limit: int) -> Sequence[SessionId]:
        """End up to `limit` sessions of anybody that began before `before`; the ids of those that this ended."""
        ...

    async def end_all(
        self, user_id: UserId, now: datetime, *, but: SessionId | None = None
    ) -> Sequence[SessionId]:
        """End every session of the user, except `but`; the ids of those that this ended.

        The caller holds the lock of the account, as does whoever opens a session: none slips through.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRegistration:
    """A registration whose address is not confirmed yet. It is the same for every address, taken or not."""

    id: int
    username: str
    email: str
    password_hash: str
    display_name: str
    seed: bytes
    """16 random bytes, of which the server's key makes the token. The token itself is not stored."""
    digest: bytes
    """The SHA-256 of the token."""
    expires_at: datetime


class PendingRegistrations(Protocol):
    """The registrations that wait for their confirmation, within a transaction."""

    async def add(self, pending: PendingRegistration, now: datetime) -> None:
        """Hold the name until it expires, and let its mail be due now. Raise UsernameTaken if an account or another
        registration has the name, or while it rests. Nothing is asked about the address."""
        ...

    async def take(self, digest: bytes, now: datetime) -> PendingRegistration | None:
        """Remove the registration with this token and return it; None if there is none, or if it has expired. Of many
        who ask at once one gets it."""
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
class Credentials:
    user_id: UserId
    password_hash: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A living session, as its owner sees it."""

    id: SessionId
    device: str
    last_used_at: datetime


class IdentityReader(Protocol):
    """Reads outside of a transaction; each sees what was committed when it began."""

    async def account(self, user_id: UserId) -> Account:
        """Raise UserNotFound if there is none."""
        ...

    async def account_named(self, username: str) -> Account:
        """By canonical username; raise UserNotFound if there is none."""
        ...

    async def credentials(self, *, username: str, email: str) -> Credentials | None:
        """Of the account with that canonical username or that e-mail key; None if there is none."""
        ...

    async def recognises(self, user_id: UserId, network: str) -> bool:
        """Whether the user has, or had, a session that was opened from this network (its keyed hash)."""
        ...

    async def session_alive(self, session_id: SessionId, now: datetime) -> bool: ...

    async def sessions_alive(self, session_ids: Collection[SessionId], now: datetime) -> frozenset[SessionId]:
        """Those of any number that live at `now`: one question for all."""
        ...

    async def sessions_of(self, user_id: UserId, now: datetime, window: Window) -> Sequence[SessionRow]:
        """Those that live at `now`, newest first; one more than the window's limit if there is one."""
        ...

    async def cards(self, ids: Collection[UserId]) -> Mapping[UserId, AuthorCard]:
        """The cards of those that exist."""
        ...

    async def ids_named(self, usernames: Collection[str]) -> Mapping[str, UserId]:
        """The ids of those of the canonical usernames that exist."""
        ...


@dataclass(frozen=True, slots=True)
class AuthorPostCounts:
    """The posts of some authors at one moment, as far as a profile counts them."""

    posts: Mapping[UserId, int]
    """Of those who have any."""
    undelivered: Sequence[tuple[EventId, Published | PostDeleted]]
    """Facts that may not have arrived yet, other authors' too; their posts are counted or left out above."""


class Authorship(Protocol):
    """What identity asks the module that knows posts."""

    async def of(self, authors: Collection[UserId]) -> AuthorPostCounts: ...


class Passwords(Protocol):
    """Slow on purpose, off the event loop, a bounded number at once; raises Overloaded beyond that."""

    def admit(self) -> None:
        """Raise Overloaded if there is no room now: for who would do other work before it is found out."""
        ...

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """Whether they match, and a new hash to store if `hashed` was made by outdated rules.

        Takes as long for None, an unknown account, as for a known one, and says False.
        """
        ...


class CommonPasswords(Protocol):
    def __call__(self, secret: str) -> bool:
        """Whether it is among those that are tried first, whatever its case."""
        ...


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says."""

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
    """How many mails about registrations went to this address within the last hour."""
    attempts: int
    """How often this one was tried before."""
    lease: int
    """Tells this lease from every other one of the mail."""


class ConfirmationQueue(Protocol):
    """The mails of pending registrations: one of each. Each call is a transaction of its own, and none has an effect on
    a mail whose lease was lost."""

    async def claim(self, limit: int, lease: timedelta) -> Sequence[DueConfirmation]:
        """Lease up to `limit` due mails of registrations that have not expired, oldest first. At most one to an address
        is leased at any moment, so that `sent` is true."""
        ...

    async def done(self, due: DueConfirmation, *, sent: bool) -> None:
        """The mail is due no more. `sent` counts it for its address."""
        ...

    async def retry(self, due: DueConfirmation, after: timedelta) -> None:
        """Let it be due again `after` from now, as another attempt."""
        ...


class AccessTokens(Protocol):
    def issue(
        self, user_id: UserId, session_id: SessionId, now: datetime, generation: int = 0
    ) -> tuple[str, int]:
        """A signed token and its life in seconds. It differs from the tokens of other generations of its session;
        equal arguments, to the second, give an equal token."""
        ...

    def verify(self, token: str, now: datetime) -> Claims:
        """Raise TokenInvalid for anything but a token that `issue` made and that has not expired."""
        ...


class RefreshTokens(Protocol):
    def issue(self, session: Session) -> str:
        """The token of the session's current generation: the same one each time it is asked for."""
        ...

    def read(self, token: str) -> tuple[SessionId, int]:
        """The session and generation a token speaks of, nothing proven yet; raise SessionEnded for
        what has not the form of a token."""
        ...

    def matches(self, token: str, session: Session, generation: int) -> bool:
        """Whether `token` is really the one of `session` and `generation`."""
        ...


KeyState: TypeAlias = Literal["next", "active", "retiring"]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key of access tokens, as it is stored."""

    kid: str
    private_sealed: bytes
    """Empty once it signs no more."""
    public: bytes
    made_at: datetime
    state: KeyState
    """`next` is published and does not sign yet, `active` signs, `retiring` is only good for checking."""
    retired_at: datetime | None = None
    """When it ceased to sign."""


class Keys(Protocol):
    """The keys, within a transaction in which nobody else changes them."""

    async def all(self) -> Sequence[StoredKey]: ...

    async def put(self, key: StoredKey) -> None:
        """Add the key, or replace the one with its kid. At most one may be active at any moment."""
        ...

    async def remove(self, kid: str) -> None: ...


class KeyStore(Protocol):
    async def keys(self) -> Sequence[StoredKey]: ...

    def changing(self) -> AbstractAsyncContextManager[Keys]:
        """A transaction, as `OpenTx`."""
        ...
