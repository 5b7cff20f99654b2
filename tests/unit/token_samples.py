"""Tokens, keys and a session, for the tests of tokens."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.security.tokens import ChainedRefreshTokens, JwtAccessTokens, SigningKeys
from domain.identity import Session
from domain.shared import SessionId, UserId

NOW = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
USER, SESSION = UserId(115_000_000_000_000_001), SessionId(115_000_000_000_000_002)
ISSUER = "https://waggle.example.org"

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key()
TOKENS = JwtAccessTokens(SigningKeys("kid-1", PRIVATE, {"kid-1": PUBLIC}), ISSUER)
TOKEN, _ = TOKENS.issue(USER, SESSION, NOW)

REFRESH = ChainedRefreshTokens(b"k" * 32)


def a_session(**members: Any) -> Session:
    return replace(
        Session(
            id=SESSION, user_id=USER, seed=b"s" * 16, generation=3, refreshed_at=NOW, authenticated_at=NOW
        ),
        **members,
    )
