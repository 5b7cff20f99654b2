"""Tickets: how a browser opens the stream, since it can send no header with a socket, and nothing secret in an address."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.notifications.ports import Ticket, Tickets
from application.shared.errors import TokenInvalid
from domain.shared import SessionId, UserId

LASTS = timedelta(seconds=30)
BYTES = 32
MAX_TICKET = 64
"""Characters of one, at most."""


@dataclass(frozen=True, slots=True)
class IssueTicket:
    """A secret that opens the stream once, within LASTS, as this user: for as long as the access token is good."""

    tickets: Tickets
    random: Callable[[int], bytes]

    async def __call__(self, user: UserId, session: SessionId, until: datetime) -> str:
        secret = urlsafe_b64encode(self.random(BYTES)).decode().rstrip("=")
        await self.tickets.add(_digest(secret), Ticket(user, session, until), LASTS)
        return secret


@dataclass(frozen=True, slots=True)
class RedeemTicket:
    """Raises TokenInvalid for what is no ticket, was used, or is too old."""

    tickets: Tickets

    async def __call__(self, secret: str) -> Ticket:
        ticket = await self.tickets.redeem(_digest(secret)) if len(secret) <= MAX_TICKET else None
        if ticket is None:
            raise TokenInvalid("this ticket is not good, or not any more")
        return ticket


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
