"""Credentials for browsers, which cannot set headers when they open the stream. A WebSocket sends a ticket in its first
frame; an EventSource has only its URL, which contains a token that opens nothing but the stream."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta

from application.notifications.ports import StreamTicket, StreamTickets, StreamTokens
from application.shared.errors import TokenInvalid
from application.shared.ports import ActiveSessions, Clock
from domain.dataclasses import dataclass
from domain.shared import SessionId, UserId

LASTS = timedelta(seconds=30)
STREAM_LASTS = timedelta(hours=24)
"""A stream that was opened by a token ends after this time and has to be opened again. It ends at once with its
session."""
BYTES = 32
MAX_TICKET = 64
"""Most characters of a ticket."""


@dataclass(frozen=True, slots=True)
class IssueTicket:
    """Issues a secret that opens the stream once as this user, within LASTS. The stream lasts as long as the access
    token."""

    tickets: StreamTickets
    random: Callable[[int], bytes]

    async def __call__(self, user: UserId, session: SessionId, until: datetime) -> str:
        secret = urlsafe_b64encode(self.random(BYTES)).decode().rstrip("=")
        await self.tickets.add(_digest(secret), StreamTicket(user, session, until), LASTS)
        return secret


@dataclass(frozen=True, slots=True)
class RedeemTicket:
    """Raises TokenInvalid if the ticket does not exist, was used, has expired, or if its session has ended."""

    tickets: StreamTickets
    sessions: ActiveSessions

    async def __call__(self, secret: str) -> StreamTicket:
        ticket = await self.tickets.redeem(_digest(secret)) if len(secret) <= MAX_TICKET else None
        if ticket is None:
            raise TokenInvalid("the ticket is not valid, or not any more")
        await _check_alive(self.sessions, ticket.session)
        return ticket


@dataclass(frozen=True, slots=True)
class RedeemStreamToken:
    """A stream token can be redeemed any number of times, until its session ends. Raises TokenInvalid then, and if the
    token is not valid."""

    tokens: StreamTokens
    sessions: ActiveSessions
    clock: Clock

    async def __call__(self, token: str) -> StreamTicket:
        found = self.tokens.read(token)
        if found is None:
            raise TokenInvalid("the stream token in the address is not valid")
        await _check_alive(self.sessions, found[1])
        return StreamTicket(*found, self.clock() + STREAM_LASTS)


async def _check_alive(sessions: ActiveSessions, session: SessionId) -> None:
    if session not in await sessions.alive([session]):
        raise TokenInvalid("the session has ended")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
