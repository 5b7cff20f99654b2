"""What people ask about accounts, and who is asking."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from application.identity.ports import AccessTokens, Claims, IdentityReader, SessionRow
from application.shared.errors import TokenInvalid
from application.shared.paging import Page, Window, page
from application.shared.ports import Clock, Record
from domain.identity import Account
from domain.identity import username as canonical
from domain.shared import Invalid, SessionId, UserId, UserNotFound


@dataclass(frozen=True, slots=True)
class Profile:
    """What everybody may know of an account."""

    id: UserId
    username: str
    display_name: str
    bio: str
    posts: int
    private: bool = False

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(
            account.id, account.username, account.display_name, account.bio, account.posts, account.private
        )

    @classmethod
    def from_record(cls, record: Record) -> Self:
        return cls(**record)


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """One's own account, address included. Raises UserNotFound."""

    reader: IdentityReader

    async def __call__(self, user_id: UserId) -> Account:
        return await self.reader.account(user_id)


@dataclass(frozen=True, slots=True)
class ReadProfile:
    """Anybody's public profile. Raises UserNotFound."""

    reader: IdentityReader

    async def __call__(self, user_id: UserId) -> Profile:
        return Profile.of(await self.reader.account(user_id))

    async def named(self, name: str) -> Profile:
        try:
            name = canonical(name)
        except Invalid:
            raise UserNotFound("no such user") from None
        return Profile.of(await self.reader.account_named(name))


@dataclass(frozen=True, slots=True)
class ListSessions:
    """One's own living sessions, newest first."""

    reader: IdentityReader
    clock: Clock

    async def __call__(self, user_id: UserId, window: Window) -> Page[SessionRow]:
        rows = await self.reader.sessions_of(user_id, self.clock(), window)
        return page(rows, window, lambda row: row.id, newest_first=True)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, and by which session."""

    user_id: UserId
    session_id: SessionId
    until: datetime
    """When the token ends."""


@dataclass(slots=True)
class _VerifiedToken:
    claims: Claims
    principal: Principal
    expires: float
    alive_until: float


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The principal of an access token. Raises TokenInvalid.

    A signature is checked once per token and process: it costs more than the rest of a small read.
    That the session still lives is asked again after `session_ttl` seconds, which therefore bounds
    how long an ended session is served by a process that was not told of its end.
    """

    tokens: AccessTokens
    reader: IdentityReader
    clock: Clock
    monotonic: Callable[[], float]
    session_ttl: float = 2.0
    capacity: int = 10_000
    _tokens: OrderedDict[str, _VerifiedToken] = field(default_factory=OrderedDict, compare=False)

    async def __call__(self, token: str) -> Principal:
        now = self.monotonic()
        seen = self._tokens.get(token)
        if seen is None or now >= seen.expires:
            seen = self._verified(token, now)
        if now >= seen.alive_until:
            if not await self.reader.session_alive(seen.claims.session_id, self.clock()):
                self._tokens.pop(token, None)
                raise TokenInvalid("the session of this token has ended")
            seen.alive_until = now + self.session_ttl
        return seen.principal

    def _verified(self, token: str, now: float) -> _VerifiedToken:
        wall = self.clock()
        claims = self.tokens.verify(token, wall)
        seen = _VerifiedToken(
            claims,
            Principal(claims.user_id, claims.session_id, claims.expires_at),
            expires=now + (claims.expires_at - wall).total_seconds(),
            alive_until=now,
        )
        self._tokens[token] = seen
        if len(self._tokens) > self.capacity:
            self._tokens.popitem(last=False)
        return seen

    def forget(self) -> None:
        """Check every token again, since a key that signed some is trusted no more."""
        self._tokens.clear()

    def sessions_ended(self, sessions: Collection[SessionId]) -> None:
        """Forget what this process knows of these sessions, so that their next request asks the store."""
        # Taken out, not marked: a request that asks at this moment must not mark it alive again.
        ended = set(sessions)
        for token in [token for token, seen in self._tokens.items() if seen.claims.session_id in ended]:
            del self._tokens[token]
