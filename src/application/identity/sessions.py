"""Log in and refresh sessions."""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from typing import TypeAlias

from application.identity.ports import (
    AccessTokens,
    Credentials,
    IdentityReader,
    IdentityTx,
    Passwords,
    RefreshTokens,
)
from application.identity.queries import Profile
from application.identity.security import SecurityLog
from application.identity.throttle import Throttle
from application.shared.errors import Overloaded
from application.shared.idempotency import IdempotentResult, run_once
from application.shared.ports import Clock, IdempotentRequest, NewId, OpenTx, Record
from domain.dataclasses import dataclass
from domain.identity import (
    MAX_SESSIONS,
    Account,
    AsciiDomain,
    Session,
    SessionEnded,
    WrongCredentials,
    device,
    email_key,
    password,
)
from domain.shared import Invalid, SessionId, UserId, UserNotFound

RandomBytes: TypeAlias = Callable[[int], bytes]
"""Returns that many bytes from a cryptographically secure source."""

SessionsEnded: TypeAlias = Callable[[Collection[SessionId]], None]
"""Called after the commit, so that this process refuses the access tokens of these sessions at once. Every other process
asks the store again within two seconds."""

SEED_BYTES = 16


@dataclass(frozen=True, slots=True)
class Tokens:
    access_token: str
    refresh_token: str
    expires_in: int
    """The lifetime of the access token in seconds, from its issue."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    user: Profile
    tokens: Tokens
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The client that opens a session."""

    user_agent: str = ""
    """The header as the client sent it."""
    network: str = ""
    """A keyed hash of its network."""
    site: str = ""
    """A keyed hash of the IPv6 /48 that contains the network; empty for IPv4."""


UNKNOWN_CLIENT = ClientInfo()


@dataclass(frozen=True, slots=True)
class SessionMaker:
    """Makes sessions and their tokens, for registration, login and refresh."""

    clock: Clock
    new_id: NewId
    random_bytes: RandomBytes
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens

    def new(self, user_id: UserId, client: ClientInfo) -> Session:
        """A session of a user who has just given the password."""
        now = self.clock()
        return Session(
            id=SessionId(self.new_id()),
            user_id=user_id,
            seed=self.random_bytes(SEED_BYTES),
            refreshed_at=now,
            authenticated_at=now,
            device=device(client.user_agent),
            network=client.network,
        )

    def renewed(self, session: Session, now: datetime) -> Session:
        """The session after the user has given the password again."""
        return session.renewed(self.random_bytes(SEED_BYTES), now)

    def tokens(self, session: Session, at: datetime) -> Tokens:
        """The tokens of the session's generation, which began at `at`. Equal arguments give equal tokens."""
        access, expires_in = self.access_tokens.issue(session.user_id, session.id, at, session.generation)
        return Tokens(access, self.refresh_tokens.issue(session), expires_in)

    @staticmethod
    def outcome(account: Account, session: Session) -> Record:
        """Everything that is needed to repeat the response. Contains no token and no e-mail address."""
        at = session.refreshed_at.isoformat()
        return asdict(Profile.of(account)) | {"session": session.id, "seed": session.seed.hex(), "at": at}

    @staticmethod
    def owner(outcome: Record) -> UserId:
        """The owner of an outcome. The outcome is deleted with the account."""
        return UserId(outcome["id"])

    @staticmethod
    def session(outcome: Record) -> SessionId:
        """The session whose credentials an outcome carries. The outcome is deleted when they become invalid."""
        return SessionId(outcome["session"])

    def logged_in(self, result: IdempotentResult) -> LoggedIn:
        outcome = dict(result.outcome)
        at = datetime.fromisoformat(outcome.pop("at"))
        session = Session(
            id=SessionId(outcome.pop("session")),
            user_id=UserId(outcome["id"]),
            seed=bytes.fromhex(outcome.pop("seed")),
            refreshed_at=at,
            authenticated_at=at,
        )
        return LoggedIn(Profile.from_record(outcome), self.tokens(session, at), result.replayed)


@dataclass(frozen=True, slots=True)
class LogIn:
    """Open a session for a username or an e-mail address and its password. Raises WrongCredentials, with the same text and
    after the same time for an unknown account and for a wrong password, TooManyAttempts, and Overloaded."""

    open_tx: OpenTx[IdentityTx]
    reader: IdentityReader
    passwords: Passwords
    sessions: SessionMaker
    ascii_domain: AsciiDomain
    throttle: Throttle
    security: SecurityLog
    sessions_ended: SessionsEnded

    async def __call__(
        self,
        login: str,
        secret: str,
        idempotent_request: IdempotentRequest | None,
        client: ClientInfo = UNKNOWN_CLIENT,
    ) -> LoggedIn:
        try:
            secret = password(secret)
        except Invalid:
            secret = (
                ""  # no account has an empty password; the response must take as long as for any wrong one
            )
        for _ in range(3):
            found, new_hash = await self._verify(login, secret, client.network)
            with suppress(_HashChanged):
                return await self._open_session(found, new_hash, idempotent_request, client)
        raise Overloaded("the password of this account is being changed")

    async def _verify(self, login: str, secret: str, network: str) -> tuple[Credentials, str | None]:
        """Returns the account's credentials, and a new hash if the stored one is outdated. Runs outside of a transaction,
        because it is slow."""
        self.passwords.admit()  # under a burst of logins most are refused: refuse them as early as possible
        name = login.strip().lower()
        if not (name.isascii() and name.isprintable()):  # PostgreSQL rejects a NUL in a parameter
            name = ""
        key = email_key(login, self.ascii_domain)
        found = await self.reader.credentials(username=name, email=key)
        user_id = found.user_id if found else None
        # Also queried for an unknown account, so that the response takes as long.
        recognised = await self.reader.recognises(user_id or UserId(0), network)
        with self.security.recording_refusals("login", user_id=user_id):
            async with self.throttle.login(user_id, key, network, recognised=recognised):
                right, new_hash = await self.passwords.verify(secret, found.password_hash if found else None)
                if not (found and right):
                    raise WrongCredentials("the name or the password is wrong")
        return found, new_hash

    async def _open_session(
        self,
        found: Credentials,
        new_hash: str | None,
        idempotent_request: IdempotentRequest | None,
        client: ClientInfo,
    ) -> LoggedIn:
        displaced: list[SessionId] = []
        async with self.open_tx() as tx:

            async def effect() -> Record:
                try:
                    account = await tx.accounts.get(found.user_id)
                except UserNotFound:  # deleted while the password was compared
                    raise WrongCredentials("the name or the password is wrong") from None
                if account.password_hash != found.password_hash:
                    raise _HashChanged
                displaced.extend(await tx.sessions.make_room(account.id, MAX_SESSIONS - 1))
                await tx.idempotency.wipe_credentials(displaced)
                session = self.sessions.new(account.id, client)
                await tx.sessions.add(session)
                if new_hash is not None:
                    await tx.accounts.set_password_hash(account.id, new_hash)
                return self.sessions.outcome(account, session)

            result = await run_once(
                tx.idempotency,
                idempotent_request,
                effect,
                owner=self.sessions.owner,
                session=self.sessions.session,
            )
        if not result.replayed:
            session = self.sessions.session(result.outcome)
            self.security("login", user_id=found.user_id, session_id=session)
        for ended in displaced:
            self.security(
                "session_ended", reason="too_many_sessions", user_id=found.user_id, session_id=ended
            )
        self.sessions_ended(displaced)
        return self.sessions.logged_in(result)


class _HashChanged(Exception):
    """The stored hash differs from the one that was compared: the password was changed, or its hash was renewed."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """Exchange a refresh token for the next one and a new access token. Raises SessionEnded.

    A repetition within REUSE_GRACE after the exchange of that token returns the same response. A later use ends the session
    for good, and this is stored before the request is refused.
    """

    open_tx: OpenTx[IdentityTx]
    sessions: SessionMaker
    clock: Clock
    security: SecurityLog
    sessions_ended: SessionsEnded

    async def __call__(self, token: str) -> Tokens:
        session_id, generation = self.sessions.refresh_tokens.read(token)
        now = self.clock()
        async with self.open_tx() as tx:
            session = await tx.sessions.get(session_id)
            genuine = self.sessions.refresh_tokens.matches(token, session, generation)
            if not (genuine and session.alive(now)):
                raise SessionEnded("this session has ended, log in again")
            after = session.refreshed(generation, now)
            if after is not session:
                await tx.sessions.save(after)
            if after.ended_at is not None:
                await tx.idempotency.wipe_credentials([session_id])
        exchanged_at = after.exchanged_at(generation)
        if after.ended_at is not None or exchanged_at is None:
            self.sessions_ended([session_id])
            self.security(
                "refresh",
                "refused",
                reason="refresh_token_reused",
                user_id=session.user_id,
                session_id=session_id,
            )
            raise SessionEnded("this token was used before: the session is ended, log in again")
        return self.sessions.tokens(replace(after, generation=generation + 1), exchanged_at)
