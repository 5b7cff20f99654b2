"""Forged access tokens are refused."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from hmac import digest as hmac_of
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .client import Api, Json, Member, done
from .wire import Answer, check, exchange

Make = Callable[["Forger"], str | bytes]


class Forger:
    """Forges tokens from a valid token of its own and the public keys."""

    def __init__(self, api: Api, member: Member) -> None:
        self.member = member
        self.good: str = member.tokens["access_token"]
        self.header: Json = jwt.get_unverified_header(self.good)
        self.claims: Json = jwt.decode(self.good, options={"verify_signature": False})
        self.jwks: Json = done(api.nobody.get("/.well-known/jwks.json"))
        self.key = Ed25519PrivateKey.generate()
        self.victim = done(api.nobody.get("/api/v1/users", params={"username": api.someone().username}))

    def b64(self, value: Any) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    @property
    def parts(self) -> list[str]:
        return self.good.split(".")

    def signed_with_own_key(self, claims: Json | None = None, header: Json | None = None) -> str:
        """A token that is valid except for its key."""
        head, body = self.b64(self.header | (header or {})), self.b64(self.claims | (claims or {}))
        return f"{head}.{body}.{self.b64(self.key.sign(f'{head}.{body}'.encode()))}"

    def with_swapped_parts(self, *, header: Any = None, claims: Any = None) -> str:
        """Another header or other claims with the valid signature."""
        head, body, signature = self.parts
        return ".".join(
            (
                head if header is None else self.b64(header),
                body if claims is None else self.b64(claims),
                signature,
            )
        )

    def hmac(self, key: bytes, algorithm: str = "HS256") -> str:
        head = self.b64(self.header | {"alg": algorithm})
        message = f"{head}.{self.parts[1]}"
        return (
            f"{message}.{self.b64(hmac_of(key, message.encode(), getattr(hashlib, f'sha{algorithm[2:]}')))}"
        )

    @property
    def public(self) -> bytes:
        return base64.urlsafe_b64decode(self.jwks["keys"][0]["x"] + "=")


def _own_key(forger: Forger) -> Json:
    raw = forger.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": forger.b64(raw)}


FORGERIES: dict[str, Make] = {
    "empty": lambda _: "",
    "a word": lambda _: "token",
    "dots": lambda _: "..",
    "many dots": lambda _: "." * 1000,
    "two parts": lambda f: ".".join(f.parts[:2]),
    "four parts": lambda f: f.good + ".AAAA",
    "five parts, like JWE": lambda f: ".".join([*f.parts, *f.parts[:2]]),
    "no signature": lambda f: ".".join(f.parts[:2]) + ".",
    "no claims": lambda f: f"{f.parts[0]}..{f.parts[2]}",
    "no header": lambda f: f".{f.parts[1]}.{f.parts[2]}",
    "signature cut": lambda f: f.good[:-4],
    "signature longer": lambda f: f.good + "AAAA",
    "signature of zeros": lambda f: ".".join([*f.parts[:2], f.b64(b"\0" * 64)]),
    "signature changed": lambda f: ".".join([*f.parts[:2], f.b64(bytes([base64.urlsafe_b64decode(f.parts[2] + "==")[0] ^ 1]) + base64.urlsafe_b64decode(f.parts[2] + "==")[1:])]),
    "signature with spare bits set": lambda f: f.good[:-1] + chr(ord(f.good[-1]) + 1),
    "signature with a stranger": lambda f: f.good[:-10] + "!" + f.good[-10:],
    "signature with a line end": lambda f: f.good[:-10] + "%0a" + f.good[-10:],
    "padding": lambda f: f.good + "==",
    "standard alphabet": lambda f: f.good + "+/",
    "blank inside": lambda f: f.good.replace(".", ". ", 1),
    "twice": lambda f: f"{f.good} {f.good}",
    "comma": lambda f: f"{f.good},{f.good}",
    "alg none": lambda f: f"{f.b64({**f.header, 'alg': 'none'})}.{f.parts[1]}.",
    "alg None": lambda f: f"{f.b64({**f.header, 'alg': 'None'})}.{f.parts[1]}.",
    "alg nOnE": lambda f: f"{f.b64({**f.header, 'alg': 'nOnE'})}.{f.parts[1]}.",
    "alg none, signed": lambda f: f.with_swapped_parts(header={**f.header, "alg": "none"}),
    "alg empty": lambda f: f.with_swapped_parts(header={**f.header, "alg": ""}),
    "alg a list": lambda f: f.with_swapped_parts(header={**f.header, "alg": ["EdDSA"]}),
    "alg null": lambda f: f.with_swapped_parts(header={**f.header, "alg": None}),
    "HS256 with the public key": lambda f: f.hmac(f.public),
    "HS256 with the public key as text": lambda f: f.hmac(f.jwks["keys"][0]["x"].encode()),
    "HS256 with the key set": lambda f: f.hmac(json.dumps(f.jwks).encode()),
    "HS256 with nothing": lambda f: f.hmac(b""),
    "HS512 with the public key": lambda f: f.hmac(f.public, "HS512"),
    "an own key": lambda f: f.signed_with_own_key(),
    "an own key under an unknown id": lambda f: f.signed_with_own_key(header={"kid": "mine"}),
    "an own key in the header": lambda f: f.signed_with_own_key(header={"jwk": _own_key(f)}),
    "an own key set": lambda f: f.signed_with_own_key(header={"jku": "http://127.0.0.1:9/jwks.json"}),
    "an own certificate": lambda f: f.signed_with_own_key(header={"x5u": "http://127.0.0.1:9/", "x5c": ["AAAA"]}),
    "kid a path": lambda f: f.signed_with_own_key(header={"kid": "../../../../dev/null"}),
    "kid SQL": lambda f: f.signed_with_own_key(header={"kid": "' OR 1=1 --"}),
    "kid a list": lambda f: f.signed_with_own_key(header={"kid": [f.header["kid"]]}),
    "kid an object": lambda f: f.signed_with_own_key(header={"kid": {}}),
    "kid null": lambda f: f.signed_with_own_key(header={"kid": None}),
    "kid long": lambda f: f.signed_with_own_key(header={"kid": "x" * 2000}),
    "no kid": lambda f: f.with_swapped_parts(header={name: value for name, value in f.header.items() if name != "kid"}),
    "unknown crit": lambda f: f.signed_with_own_key(header={"crit": ["exp"]}),
    "b64 false": lambda f: f.signed_with_own_key(header={"b64": False, "crit": ["b64"]}),
    "typ JWT": lambda f: f.with_swapped_parts(header={**f.header, "typ": "JWT"}),
    "header not an object": lambda f: f.with_swapped_parts(header=[]),
    "header a number": lambda f: f.with_swapped_parts(header=1),
    "header not JSON": lambda f: f.with_swapped_parts(header=b"\xff\xfe"),
    "header deep": lambda f: f.with_swapped_parts(header=b"[" * 1500),
    "header with a key twice": lambda f: f.with_swapped_parts(header=b'{"alg":"none","alg":"EdDSA","kid":"%s","typ":"at+jwt"}' % f.header["kid"].encode()),
    "claims of another": lambda f: f.with_swapped_parts(claims={**f.claims, "sub": f.victim["id"]}),
    "claims not an object": lambda f: f.with_swapped_parts(claims=[]),
    "claims not JSON": lambda f: f.with_swapped_parts(claims=b"\x00"),
    "claims empty": lambda f: f.with_swapped_parts(claims={}),
    "sub a number": lambda f: f.signed_with_own_key({"sub": 1}),
    "exp text": lambda f: f.signed_with_own_key({"exp": str(int(time.time()) + 600)}),
    "exp huge": lambda f: f.signed_with_own_key({"exp": 10**308}),
    "exp infinite": lambda f: f.with_swapped_parts(claims=json.dumps({**f.claims, "exp": 0}).replace('"exp": 0', '"exp": 1e999').encode()),
    "exp a day away": lambda f: f.with_swapped_parts(claims={**f.claims, "exp": f.claims["exp"] + 86_400}),
    "iat in the future": lambda f: f.signed_with_own_key({"iat": f.claims["iat"] + 86_400}),
    "other issuer": lambda f: f.signed_with_own_key({"iss": "https://evil.example"}),
    "other audience": lambda f: f.signed_with_own_key({"aud": ["waggle", "evil"]}),
    "the refresh token": lambda f: str(f.member.tokens["refresh_token"]),
    "the user id": lambda f: f.member.id,
    "long": lambda f: f.good + "A" * 5000,
    "very long": lambda _: "A" * 30_000,
    "not ASCII": lambda f: "é".encode() + f.good.encode(),
    "Latin-1": lambda f: b"\xe9" + f.good.encode(),
}  # fmt: skip


@pytest.fixture(scope="module")
def forger(api: Api) -> Forger:
    return Forger(api, api.someone())


def test_there_are_at_least_forty_different_forgeries(forger: Forger) -> None:
    made = [make(forger) for make in FORGERIES.values()]
    assert len(made) == len(set(made)) >= 40


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused(api: Api, forger: Forger, name: str) -> None:
    token = FORGERIES[name](forger)
    value = b"Bearer " + (token if isinstance(token, bytes) else token.encode())
    for method, path in (
        ("GET", "/api/v1/me"),
        ("GET", f"/api/v1/users/{forger.member.id}"),
        ("POST", "/api/v1/auth/logout"),
    ):
        answer = _sent(api, method, path, value)
        assert (answer.status, answer.json["code"]) == (401, "invalid_token"), answer
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    done(forger.member.get("/api/v1/me"))


@pytest.mark.parametrize(
    "scheme", ["Basic", "Token", "JWT", "Bearer:", "Bear", "", "Bearer\t", "DPoP", "Negotiate"]
)
def test_another_scheme_is_refused(api: Api, forger: Forger, scheme: str) -> None:
    answer = _sent(api, "GET", "/api/v1/me", f"{scheme} {forger.good}".encode())
    assert (answer.status, answer.json["code"]) == (401, "invalid_token"), answer


def test_two_authorization_headers_authenticate_at_most_their_owner(api: Api, forger: Forger) -> None:
    good, bad = f"Bearer {forger.good}", f"Bearer {forger.signed_with_own_key()}"
    for pair in ((good, bad), (bad, good)):
        answer = check(
            exchange(api.base_url, "GET", "/api/v1/me", [("Authorization", value) for value in pair])
        )
        assert answer.status in {200, 400, 401}
        if answer.status == 200:
            assert answer.json["id"] == forger.member.id


def _sent(api: Api, method: str, path: str, authorization: bytes) -> Answer:
    return check(
        exchange(api.base_url, method, path, [("Authorization", authorization)]), authorization[:200]
    )
