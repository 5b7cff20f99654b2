"""The authentication of access tokens, and whether sessions are active."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from application.identity.ports import AccessTokens, Claims, IdentityReader
from application.shared.errors import TokenInvalid
from application.shared.ports import Clock
from domain.shared import SessionId, UserId


@dataclass(frozen=True, slots=True)
class Principal:
    """The user of a request, and the session that it uses."""

    user_id: UserId
    session_id: SessionId
    until: datetime
    """When the token expires."""


@dataclass(slots=True)
class _VerifiedToken:
    claims: Claims
    principal: Principal
    expires: float
    alive_until: float


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The principal of an access token. Raises TokenInvalid.

    Each process verifies the signature of a token once, because that costs more than the rest of a small read. It asks
    the store again after `session_ttl` seconds whether the session is active. A process that was not notified of the
    end of a session therefore accepts its tokens for at most that long.
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
        verified = self._tokens.get(token)
        if verified is None or now >= verified.expires:
            verified = self._verify(token, now)
        if now >= verified.alive_until:
            if not await self.reader.session_alive(verified.claims.session_id, self.clock()):
                self._tokens.pop(token, None)
                raise TokenInvalid("the session of this token has ended")
            verified.alive_until = now + self.session_ttl
        return verified.principal

    def known(self, token: str) -> Principal | None:
        """The principal of a token, if it is known without asking the store that the token is valid and its session
        active."""
        verified = self._tokens.get(token)
        now = self.monotonic()
        if verified is None or now >= verified.expires or now >= verified.alive_until:
            return None
        return verified.principal

    def _verify(self, token: str, now: float) -> _VerifiedToken:
        wall = self.clock()
        claims = self.tokens.verify(token, wall)
        verified = _VerifiedToken(
            claims,
            Principal(claims.user_id, claims.session_id, claims.expires_at),
            expires=now + (claims.expires_at - wall).total_seconds(),
            alive_until=now,
        )
        self._tokens[token] = verified
        if len(self._tokens) > self.capacity:
            self._tokens.popitem(last=False)
        return verified

    def forget(self) -> None:
        """Verify every token again, because a key that signed some of them is no longer trusted."""
        self._tokens.clear()

    def sessions_ended(self, sessions: Collection[SessionId]) -> None:
        """Drop the tokens of these sessions from the cache, so that their next request asks the store."""
        # Removed, not marked: a concurrent request must not mark the session active again.
        ended = set(sessions)
        for token in [token for token, one in self._tokens.items() if one.claims.session_id in ended]:
            del self._tokens[token]


@dataclass(frozen=True, slots=True)
class LiveSessions:
    """The sessions that have not ended."""

    reader: IdentityReader
    clock: Clock

    async def alive(self, sessions: Collection[SessionId]) -> frozenset[SessionId]:
        """The sessions of `sessions` that are active now and whose accounts exist, read with one query."""
        return await self.reader.sessions_alive(sessions, self.clock())
