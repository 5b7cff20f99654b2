"""Access tokens (JWT, Ed25519) and refresh tokens (a chain per session)."""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.security.sealing import Secrets
from application.identity.keys import trusted
from application.identity.ports import Claims, KeyState, KeyStore, StoredKey
from application.shared.errors import TokenInvalid
from domain.identity import Session, SessionEnded
from domain.shared import SessionId, UserId, id_from

TYPE = "at+jwt"
ALGORITHM = "EdDSA"
AUDIENCE = "waggle"
LIFE = timedelta(minutes=10)
LEEWAY = timedelta(seconds=30)
MAX_TOKEN = 4096
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{85}[AQgw]")
"""The only spelling of a token with a signature of 64 bytes. Lenient base64 decoders would accept the same signature in many
spellings."""
_HEADER = frozenset({"alg", "kid", "typ"})
_CLAIMS = {"iss": str, "aud": str, "sub": str, "sid": str, "jti": str, "iat": int, "exp": int}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(slots=True)
class SigningKeys:
    """The keys of this server. They are loaded when the process starts and reloaded every two seconds. Verification uses only
    these, so that no token causes a read."""

    active_kid: str = ""
    private: Ed25519PrivateKey | None = None
    public: dict[str, Ed25519PublicKey] = field(default_factory=dict)

    def jwks(self) -> list[dict[str, str]]:
        return [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": ALGORITHM,
                "use": "sig",
                "kid": kid,
                "x": b64(key.public_bytes(Encoding.Raw, PublicFormat.Raw)),
            }
            for kid, key in self.public.items()
        ]


@dataclass(frozen=True, slots=True)
class JwtAccessTokens:
    keys: SigningKeys
    issuer: str

    def issue(
        self, user_id: UserId, session_id: SessionId, now: datetime, generation: int = 0
    ) -> tuple[str, int]:
        if self.keys.private is None:
            raise RuntimeError("no signing key was loaded")
        issued_at = int(now.timestamp())
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": f"{session_id}.{generation}.{issued_at}",
            "iat": issued_at,
            "exp": issued_at + int(LIFE.total_seconds()),
        }
        headers = {"kid": self.keys.active_kid, "typ": TYPE}
        token = jwt.encode(claims, self.keys.private, algorithm=ALGORITHM, headers=headers)
        return token, int(LIFE.total_seconds())

    def verify(self, token: str, now: datetime) -> Claims:
        """Raises TokenInvalid. All members of the header and the claims are required and have an exact type, and no other
        members are allowed: the server accepts only what it writes."""
        try:
            claims = self._checked(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenInvalid("the access token is not valid") from error
        issued_at = datetime.fromtimestamp(claims["iat"], UTC)
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        user_id, session_id = id_from(claims["sub"]), id_from(claims["sid"])
        if user_id is None or session_id is None or issued_at > now + LEEWAY:
            raise TokenInvalid("the access token is not valid")
        if expires_at <= now:
            raise TokenInvalid("the access token has expired")
        return Claims(UserId(user_id), SessionId(session_id), issued_at, expires_at)

    def _checked(self, token: str) -> Mapping[str, Any]:
        if len(token) > MAX_TOKEN or not _FORM.fullmatch(token):
            raise ValueError("not a token")
        header = jwt.get_unverified_header(token)
        if set(header) != _HEADER or header["typ"] != TYPE or header["alg"] != ALGORITHM:
            raise ValueError("header")
        key = self.keys.public.get(header["kid"])
        if key is None:
            raise ValueError("kid")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=self.issuer,
            audience=AUDIENCE,
            # times are checked with the given clock
            options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        if set(claims) != set(_CLAIMS) or any(
            type(claims[name]) is not kind for name, kind in _CLAIMS.items()
        ):
            raise ValueError("claims")
        if not 0 <= claims["iat"] <= claims["exp"] <= 253_402_300_799:  # the year 9999
            raise ValueError("times")
        return claims


@dataclass(frozen=True, slots=True)
class ChainedRefreshTokens:
    """`wgr_<session>_<generation>_<mac>`. Nothing of a token is stored, and making one needs both the key and the seed."""

    key: bytes

    def issue(self, session: Session) -> str:
        return self._token(session, session.generation)

    def read(self, token: str) -> tuple[SessionId, int]:
        parts = token.split("_") if len(token) <= 128 and token.isascii() else []
        if len(parts) == 4 and parts[0] == "wgr" and parts[2].isdigit() and len(parts[2]) <= 9:
            session_id = id_from(parts[1])
            if session_id is not None:
                return SessionId(session_id), int(parts[2])
        raise SessionEnded("this is not a refresh token")

    def matches(self, token: str, session: Session, generation: int) -> bool:
        return hmac.compare_digest(token.encode(), self._token(session, generation).encode())

    def _token(self, session: Session, generation: int) -> str:
        message = b"%d/%d/%b" % (session.id, generation, session.seed)
        # Hexadecimal, since base64 for URLs contains the separator.
        return f"wgr_{session.id}_{generation}_{hmac.digest(self.key, message, 'sha256').hex()}"


def make_key(secrets: Secrets, now: datetime, state: KeyState) -> StoredKey:
    """A new key with a sealed private key."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    kid = hashlib.sha256(public).hexdigest()[:16]
    return StoredKey(kid, secrets.seal(private.private_bytes_raw(), _context(kid)), public, now, state)


async def load_keys(keys: SigningKeys, store: KeyStore, secrets: Secrets, now: datetime) -> bool:
    """Update `keys` from the store. True if a trusted key is no longer trusted. Raises ValueError if the active key was
    sealed with another master key."""
    stored = trusted(await store.keys(), now)
    for key in stored:
        if key.state == "active" and key.kid != keys.active_kid:
            opened = secrets.open(key.private_sealed, _context(key.kid))
            keys.active_kid, keys.private = key.kid, Ed25519PrivateKey.from_private_bytes(opened)
    before = keys.public
    keys.public = {
        key.kid: before.get(key.kid) or Ed25519PublicKey.from_public_bytes(key.public) for key in stored
    }
    return not before.keys() <= keys.public.keys()


def _context(kid: str) -> str:
    return f"signing_keys/{kid}"
