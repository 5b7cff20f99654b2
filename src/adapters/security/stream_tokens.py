"""Tokens for the stream only: a keyed hash of the session. Nothing is stored, and a token ends with its session."""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from domain.shared import MAX_ID, SessionId, UserId

_TOKEN = re.compile(r"wgs_([1-9][0-9]{0,18})_([1-9][0-9]{0,18})_([A-Za-z0-9_-]{43})")
MAX_TOKEN = 90
"""The maximum length in characters."""


@dataclass(frozen=True, slots=True)
class MacStreamTokens:
    """`application.notifications.ports.StreamTokens`."""

    key: bytes = field(repr=False)

    def issue(self, user: UserId, session: SessionId) -> str:
        return f"wgs_{user}_{session}_{self._mac(user, session)}"

    def read(self, token: str) -> tuple[UserId, SessionId] | None:
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        user, session = UserId(int(match[1])), SessionId(int(match[2]))
        if max(user, session) > MAX_ID or not hmac.compare_digest(match[3], self._mac(user, session)):
            return None
        return user, session

    def _mac(self, user: UserId, session: SessionId) -> str:
        digest = hmac.digest(self.key, f"{user}\n{session}".encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")
