"""How a browser opens the stream, since it can send no header with it: a WebSocket sends a ticket in its first frame, an
EventSource has nothing but its address, which holds a token for the stream alone."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.notifications.ports import Sessions, StreamTicket, StreamTickets, StreamTokens
from application.shared.errors import TokenInvalid
from application.shared.ports import Clock
from domain.shared import SessionId, UserId

LASTS = timedelta(seconds=30)
STREAM_LASTS = timedelta(hours=24)
"""After that a stream that was opened by a token ends, to be opened again. The end of the session ends it at once."""
BYTES = 32
MAX_TICKET = 64
"""Characters of one, at most."""


@dataclass(frozen=True, slots=True)
class IssueTicket:
    """A secret that opens the stream once, within LASTS, as this user: for as long as the access token is good."""

    tickets: StreamTickets
    random: Callable[[int], bytes]

    async def __call__(self, user: UserId, session: SessionId, until: datetime) -> str:
        secret = urlsafe_b64encode(self.random(BYTES)).decode().rstrip("=")
        await self.tickets.add(_digest(secret), StreamTicket(user, session, until), LASTS)
        return secret


@dataclass(frozen=True, slots=True)
class RedeemTicket:
    """Raises TokenInvalid for what is no ticket, was used, is too old, or is of a session that has ended."""

    tickets: StreamTickets
    sessions: Sessions

    async def __call__(self, secret: str) -> StreamTicket:
        ticket = await self.tickets.redeem(_digest(secret)) if len(secret) <= MAX_TICKET else None
        if ticket is None:
            raise TokenInvalid("this ticket is not good, or not any more")
        await _check_alive(self.sessions, ticket.session)
        return ticket


@dataclass(frozen=True, slots=True)
class RedeemStreamToken:
    """As often as wanted, until the session ends. Raises TokenInvalid then, and for what is no such token."""

    tokens: StreamTokens
    sessions: Sessions
    clock: Clock

    async def __call__(self, token: str) -> StreamTicket:
        found = self.tokens.read(token)
        if found is None:
            raise TokenInvalid("this address is not good: its token is none of ours")
        await _check_alive(self.sessions, found[1])
        return StreamTicket(*found, self.clock() + STREAM_LASTS)


async def _check_alive(sessions: Sessions, session: SessionId) -> None:
    if session not in await sessions.alive([session]):
        raise TokenInvalid("the session has ended")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
