"""Deny by default: which routes open without a token, and what no token, a bad one or a strange path opens."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from hmac import digest as hmac_of
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .client import Api, Json, Member, done, refused
from .contract import operations
from .wire import Answer, check, exchange

pytestmark = pytest.mark.told_by("embedded")

ACCESS = {
    "POST /api/v1/auth/register": "public",
    "POST /api/v1/auth/register/confirm": "public",
    "POST /api/v1/auth/login": "public",
    "POST /api/v1/auth/refresh": "public",
    "POST /api/v1/auth/logout": "token",
    "POST /api/v1/auth/logout-all": "token",
    "GET /api/v1/auth/sessions": "token",
    "DELETE /api/v1/auth/sessions/{session_id}": "token",
    "POST /api/v1/auth/confirm": "token",
    "POST /api/v1/auth/password": "token",
    "GET /api/v1/search": "optional",
    "GET /api/v1/me": "token",
    "PATCH /api/v1/me": "token",
    "DELETE /api/v1/me": "token",
    "GET /api/v1/users": "optional",
    "GET /api/v1/users/{user_id}": "optional",
    "GET /api/v1/users/{user_id}/posts": "optional",
    "GET /api/v1/users/{user_id}/followers": "optional",
    "GET /api/v1/users/{user_id}/following": "optional",
    "PUT /api/v1/users/{user_id}/follow": "token",
    "DELETE /api/v1/users/{user_id}/follow": "token",
    "PUT /api/v1/users/{user_id}/block": "token",
    "DELETE /api/v1/users/{user_id}/block": "token",
    "PUT /api/v1/users/{user_id}/mute": "token",
    "DELETE /api/v1/users/{user_id}/mute": "token",
    "GET /api/v1/me/follow-requests": "token",
    "PUT /api/v1/me/follow-requests/{user_id}": "token",
    "DELETE /api/v1/me/follow-requests/{user_id}": "token",
    "DELETE /api/v1/me/followers/{user_id}": "token",
    "GET /api/v1/me/blocks": "token",
    "GET /api/v1/me/mutes": "token",
    "GET /api/v1/relationships": "token",
    "POST /api/v1/posts": "token",
    "GET /api/v1/trending/posts": "optional",
    "GET /api/v1/trending/hashtags": "optional",
    "GET /api/v1/posts": "optional",
    "GET /api/v1/posts/{post_id}": "optional",
    "PATCH /api/v1/posts/{post_id}": "token",
    "GET /api/v1/posts/{post_id}/context": "optional",
    "GET /api/v1/posts/{post_id}/history": "optional",
    "DELETE /api/v1/posts/{post_id}/history/{version}": "token",
    "DELETE /api/v1/posts/{post_id}": "token",
    "GET /api/v1/posts/{post_id}/comments": "optional",
    "POST /api/v1/posts/{post_id}/comments": "token",
    "PUT /api/v1/posts/{post_id}/like": "token",
    "DELETE /api/v1/posts/{post_id}/like": "token",
    "PUT /api/v1/posts/{post_id}/repost": "token",
    "DELETE /api/v1/posts/{post_id}/repost": "token",
    "PUT /api/v1/posts/{post_id}/bookmark": "token",
    "DELETE /api/v1/posts/{post_id}/bookmark": "token",
    "PUT /api/v1/posts/{post_id}/pin": "token",
    "DELETE /api/v1/posts/{post_id}/pin": "token",
    "GET /api/v1/posts/{post_id}/likes": "optional",
    "GET /api/v1/posts/{post_id}/reposts": "optional",
    "GET /api/v1/me/likes": "token",
    "GET /api/v1/me/bookmarks": "token",
    "POST /api/v1/media": "token",
    "POST /api/v1/media/uploads": "token",
    "POST /api/v1/media/uploads/{media_id}/complete": "token",
    "GET /api/v1/media/{media_id}": "token",
    "PATCH /api/v1/media/{media_id}": "token",
    "DELETE /api/v1/media/{media_id}": "token",
    "GET /api/v1/feeds/home": "token",
    "GET /api/v1/feeds/public": "optional",
    "GET /api/v1/feeds/hashtags/{tag}": "optional",
    "GET /api/v1/notifications": "token",
    "GET /api/v1/stream": "token",
    "POST /api/v1/stream/address": "token",
    "POST /api/v1/stream/ticket": "token",
    "GET /api/v1/notifications/unread": "token",
    "PUT /api/v1/notifications/read": "token",
    "DELETE /api/v1/notifications/{seq}": "token",
    "DELETE /api/v1/notifications": "token",
    "GET /api/v1/me/notification-preferences": "token",
    "PUT /api/v1/me/notification-preferences": "token",
    "GET /livez": "public",
    "GET /readyz": "public",
    "GET /.well-known/jwks.json": "public",
}
"""Every route there is. Whoever adds one decides here who may use it."""

PAGES = ("/", "/api/docs", "/api/errors", "/api/openapi.json", "/api/asyncapi.json")
"""Public too, and not described: they are the description."""


def test_az1_every_route_is_open_to_whom_it_should_be(api: Api) -> None:
    assert {operation.name: operation.access for operation in operations(api)} == ACCESS


def test_az1_without_a_token_only_the_open_routes_answer(api: Api) -> None:
    for operation in operations(api):
        response = api.nobody.request(operation.method, operation.at(), json=operation.body)
        if operation.access == "token":
            refused(response, 401, "token_missing")
            assert response.headers["www-authenticate"] == 'Bearer realm="waggle"'
        else:
            assert response.json().get("code") not in {"token_missing", "invalid_token"}, operation.name


def test_az1_a_bad_token_is_refused_wherever_a_token_is_looked_at(api: Api) -> None:
    for operation in operations(api):
        bad = {"Authorization": "Bearer nonsense"}
        response = api.nobody.request(operation.method, operation.at(), json=operation.body, headers=bad)
        if operation.access == "public":
            assert response.status_code != 401 or response.json()["code"] != "invalid_token", operation.name
        else:
            refused(response, 401, "invalid_token")


def test_az1_the_token_is_asked_for_before_anything_else_is_said(api: Api) -> None:
    """Neither a bad body nor an unknown id makes a difference to somebody who is not logged in."""
    for operation in operations(api):
        if operation.access != "token":
            continue
        for body in (b"", b"{", b"[]", b'{"surprise": 1}', b"x" * 100_000):
            sent = {"content": body, "headers": {"Content-Type": "text/plain"}}
            refused(api.nobody.request(operation.method, operation.at(), **sent), 401, "token_missing")


def test_az1_head_needs_the_token_that_get_needs(api: Api) -> None:
    for operation in operations(api):
        if operation.method == "GET":
            expected = api.nobody.get(operation.at()).status_code
            assert api.nobody.request("HEAD", operation.at()).status_code == expected


def test_the_pages_about_the_api_are_open(api: Api) -> None:
    for page in PAGES:
        assert api.nobody.get(page).status_code in {200, 302, 307}


PREFIXES = (
    "/{0}",
    "/./{0}",
    "/x/../{0}",
    "/api/docs/assets/../../../{0}",
    "/livez/../{0}",
    "//{0}",
    "/%2e/{0}",
    "/livez/%2e%2e/{0}",
    "/api/docs%2f..%2f..%2f{0}",
    "/\\{0}",
)
SUFFIXES = (
    "/", "//", "/.", "/..", "/x/..", "%2f", "%2F", "%00", "%20", "%09", "%0a", "%0d%0a", ";", ";x=1", ";.json", ".json", ".html", "?", "??", "?access=public",
    "?x=/health", "#", "/health", "/schema", "/healthz", "/livez", "/readyz", "/docs", "/openapi.json", "/static/x.css", "..;/", "/*", "~", "%", "%zz", "\\", "/\xff", "/%ff",
    "?token=x", "?access_token=x", "?_method=GET",
)  # fmt: skip


def _spellings(path: str) -> Iterator[str]:
    bare = path.lstrip("/")
    yield from (prefix.format(bare) for prefix in PREFIXES)
    yield from (path + suffix for suffix in SUFFIXES)
    yield path.upper()
    yield path.title()
    yield path.replace("/", "//")
    yield path.replace("/v1/", "/v1/./")
    yield path.replace("/v1/", "/v1/auth/../")
    yield path.replace("/v1/", "/v1%2f")
    yield path.replace("/v1/", "/V1/")
    yield path[:-1] + f"%{ord(path[-1]):02x}"
    yield f"http://127.0.0.1{path}"


def test_az1_no_spelling_of_a_path_opens_what_needs_a_token(api: Api) -> None:
    for operation in operations(api):
        if operation.access != "token":
            continue
        body = json.dumps(operation.body).encode() if operation.body else None
        for target in _spellings(operation.at()):
            for headers in (
                (),
                (("X-HTTP-Method-Override", operation.method), ("X-Original-URL", operation.at())),
            ):
                sent = [("Content-Type", "application/json"), *headers]
                answer = exchange(api.base_url, operation.method, target.encode("latin-1"), sent, body)
                assert answer.status in {400, 401, 404, 405}, (operation.name, target, answer)
                check(answer, target)


@pytest.mark.parametrize(
    "tail", ["health", "schema", "livez", "docs", "openapi.json", "me", "me.json", "static", "login"]
)
def test_az1_a_word_in_a_path_opens_nothing(api: Api, tail: str) -> None:
    for path in (f"/api/v1/users/{tail}", f"/api/v1/posts/{tail}", f"/api/v1/{tail}", f"/api/v1/me/{tail}"):
        if path == "/api/v1/me":
            continue
        assert api.nobody.get(path).status_code == 404
        assert api.nobody.post(f"{path}/like", {}).status_code in {404, 405}


@pytest.mark.parametrize(
    "target",
    [
        "/api/docs/assets/../../../../etc/passwd",
        "/api/docs/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/api/docs/assets/..%2f..%2f..%2fsettings.py",
        "/api/docs/assets/..%5c..%5csettings.py",
        "/api/docs/assets//etc/passwd",
        "/api/docs/assets/%2fetc%2fpasswd",
        "/api/docs/assets/../operations.py",
        "/api/docs/assets/%00",
        "/api/docs/assets/" + "x" * 5000,
        "/api/docs/assets/",
        "/api/docs/assets",
        "/api/docs/assets/.",
    ],
)
def test_no_file_but_the_assets_is_served(api: Api, target: str) -> None:
    answer = check(exchange(api.base_url, "GET", target))
    assert answer.status in {400, 404}
    assert b"root:" not in answer.body
    assert b"import" not in answer.body


def test_a_token_is_taken_from_the_header_alone(api: Api) -> None:
    maya = api.someone()
    token = maya.tokens["access_token"]
    for sent in (
        {"params": {"access_token": token}},
        {"params": {"token": token}},
        {"headers": {"Cookie": f"access_token={token}; Authorization=Bearer {token}"}},
        {"headers": {"X-Authorization": f"Bearer {token}"}},
        {"headers": {"Proxy-Authorization": f"Bearer {token}"}},
    ):
        refused(api.nobody.get("/api/v1/me", **sent), 401, "token_missing")


def test_the_scheme_is_bearer_in_any_case(api: Api) -> None:
    maya = api.someone()
    token = maya.tokens["access_token"]
    for scheme in ("Bearer", "bearer", "BEARER"):
        done(api.nobody.get("/api/v1/me", headers={"Authorization": f"{scheme} {token}"}))


# --- Hostile tokens -------------------------------------------------------------------------------

Make = Callable[["Forger"], str | bytes]


class Forger:
    """Somebody with a good token of their own, the public keys, and bad intentions."""

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

    def resigned(self, claims: Json | None = None, header: Json | None = None) -> str:
        """A token that is sound in all but the key."""
        head, body = self.b64(self.header | (header or {})), self.b64(self.claims | (claims or {}))
        return f"{head}.{body}.{self.b64(self.key.sign(f'{head}.{body}'.encode()))}"

    def swapped(self, *, header: Any = None, claims: Any = None) -> str:
        """Another header or other claims over the good signature."""
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
    "alg none, signed": lambda f: f.swapped(header={**f.header, "alg": "none"}),
    "alg empty": lambda f: f.swapped(header={**f.header, "alg": ""}),
    "alg a list": lambda f: f.swapped(header={**f.header, "alg": ["EdDSA"]}),
    "alg null": lambda f: f.swapped(header={**f.header, "alg": None}),
    "HS256 with the public key": lambda f: f.hmac(f.public),
    "HS256 with the public key as text": lambda f: f.hmac(f.jwks["keys"][0]["x"].encode()),
    "HS256 with the key set": lambda f: f.hmac(json.dumps(f.jwks).encode()),
    "HS256 with nothing": lambda f: f.hmac(b""),
    "HS512 with the public key": lambda f: f.hmac(f.public, "HS512"),
    "a key of one's own": lambda f: f.resigned(),
    "a key of one's own under an unknown id": lambda f: f.resigned(header={"kid": "mine"}),
    "a key of one's own in the header": lambda f: f.resigned(header={"jwk": _own_key(f)}),
    "a key set of one's own": lambda f: f.resigned(header={"jku": "http://127.0.0.1:9/jwks.json"}),
    "a certificate of one's own": lambda f: f.resigned(header={"x5u": "http://127.0.0.1:9/", "x5c": ["AAAA"]}),
    "kid a path": lambda f: f.resigned(header={"kid": "../../../../dev/null"}),
    "kid SQL": lambda f: f.resigned(header={"kid": "' OR 1=1 --"}),
    "kid a list": lambda f: f.resigned(header={"kid": [f.header["kid"]]}),
    "kid an object": lambda f: f.resigned(header={"kid": {}}),
    "kid null": lambda f: f.resigned(header={"kid": None}),
    "kid long": lambda f: f.resigned(header={"kid": "x" * 2000}),
    "no kid": lambda f: f.swapped(header={name: value for name, value in f.header.items() if name != "kid"}),
    "unknown crit": lambda f: f.resigned(header={"crit": ["exp"]}),
    "b64 false": lambda f: f.resigned(header={"b64": False, "crit": ["b64"]}),
    "typ JWT": lambda f: f.swapped(header={**f.header, "typ": "JWT"}),
    "header not an object": lambda f: f.swapped(header=[]),
    "header a number": lambda f: f.swapped(header=1),
    "header not JSON": lambda f: f.swapped(header=b"\xff\xfe"),
    "header deep": lambda f: f.swapped(header=b"[" * 1500),
    "header with a key twice": lambda f: f.swapped(header=b'{"alg":"none","alg":"EdDSA","kid":"%s","typ":"at+jwt"}' % f.header["kid"].encode()),
    "claims of another": lambda f: f.swapped(claims={**f.claims, "sub": f.victim["id"]}),
    "claims not an object": lambda f: f.swapped(claims=[]),
    "claims not JSON": lambda f: f.swapped(claims=b"\x00"),
    "claims empty": lambda f: f.swapped(claims={}),
    "sub a number": lambda f: f.resigned({"sub": 1}),
    "exp text": lambda f: f.resigned({"exp": str(int(time.time()) + 600)}),
    "exp huge": lambda f: f.resigned({"exp": 10**308}),
    "exp infinite": lambda f: f.swapped(claims=json.dumps({**f.claims, "exp": 0}).replace('"exp": 0', '"exp": 1e999').encode()),
    "exp a day away": lambda f: f.swapped(claims={**f.claims, "exp": f.claims["exp"] + 86_400}),
    "iat in the future": lambda f: f.resigned({"iat": f.claims["iat"] + 86_400}),
    "other issuer": lambda f: f.resigned({"iss": "https://evil.example"}),
    "other audience": lambda f: f.resigned({"aud": ["waggle", "evil"]}),
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


def test_id9_there_are_at_least_forty_forgeries_and_they_differ(forger: Forger) -> None:
    made = [make(forger) for make in FORGERIES.values()]
    assert len(made) == len(set(made)) >= 40


@pytest.mark.parametrize("name", FORGERIES)
def test_id9_a_forged_token_is_refused(api: Api, forger: Forger, name: str) -> None:
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
def test_id9_another_scheme_is_refused(api: Api, forger: Forger, scheme: str) -> None:
    answer = _sent(api, "GET", "/api/v1/me", f"{scheme} {forger.good}".encode())
    assert (answer.status, answer.json["code"]) == (401, "invalid_token"), answer


def test_two_authorization_headers_are_not_more_than_one(api: Api, forger: Forger) -> None:
    good, bad = f"Bearer {forger.good}", f"Bearer {forger.resigned()}"
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
