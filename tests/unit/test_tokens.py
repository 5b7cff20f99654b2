"""Access tokens that only this server can make, and refresh tokens that form a chain."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.identity import MemoryKeyStore, MemorySecurityRecords
from adapters.memory.store import Store
from adapters.security.sealing import Secrets
from adapters.security.tokens import (
    LIFE,
    ChainedRefreshTokens,
    JwtAccessTokens,
    SigningKeys,
    b64,
    load_keys,
    make_key,
)
from application.identity.keys import PUBLISHED, TRUSTED, EnsureKeys, RevokeKey, RotateKeys, in_order
from application.identity.ports import Claims, KeyState
from application.identity.security import Origin, SecurityLog
from application.shared.errors import TokenInvalid
from domain.identity import Session, SessionEnded
from domain.shared import SessionId, UserId

NOW = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
USER, SESSION = UserId(115_000_000_000_000_001), SessionId(115_000_000_000_000_002)
ISSUER = "https://waggle.example.org"

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key()
PUBLIC_RAW = PUBLIC.public_bytes(Encoding.Raw, PublicFormat.Raw)
PUBLIC_PEM = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ANONYMOUS = Ed25519PrivateKey.from_private_bytes(bytes(32))

TOKENS = JwtAccessTokens(SigningKeys("kid-1", PRIVATE, {"kid-1": PUBLIC}), ISSUER)
TOKEN, _ = TOKENS.issue(USER, SESSION, NOW)
HEADER: dict[str, Any] = {"alg": "EdDSA", "kid": "kid-1", "typ": "at+jwt"}
IAT = int(NOW.timestamp())
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": "waggle",
    "sub": str(USER),
    "sid": str(SESSION),
    "jti": f"{SESSION}.0.{IAT}",
    "iat": IAT,
    "exp": IAT + 600,
}

Sign = Callable[[bytes], bytes]


def encoded(header: object, claims: object, sign: Sign = PRIVATE.sign) -> str:
    """A token with the given header and claims, by default signed by this server."""

    def raw(part: object) -> bytes:
        return part if isinstance(part, bytes) else json.dumps(part).encode()

    signed = f"{b64(raw(header))}.{b64(raw(claims))}"
    return f"{signed}.{b64(sign(signed.encode()))}"


def with_header(**members: Any) -> str:
    return encoded({**HEADER, **members}, CLAIMS)


def with_claims(**members: Any) -> str:
    return encoded(HEADER, {**CLAIMS, **members})


def without_header(name: str) -> str:
    return encoded({key: value for key, value in HEADER.items() if key != name}, CLAIMS)


def without_claim(name: str) -> str:
    return encoded(HEADER, {key: value for key, value in CLAIMS.items() if key != name})


def by_hmac(key: bytes) -> Sign:
    return lambda signed: hmac.digest(key, signed, "sha256")


HEAD, BODY, SIGNATURE = TOKEN.split(".")
HS256 = {**HEADER, "alg": "HS256"}

HOSTILE = {
    # unsigned, or signed by another party
    "alg none": encoded({**HEADER, "alg": "none"}, CLAIMS, lambda _: b""),
    "alg None": encoded({**HEADER, "alg": "None"}, CLAIMS, lambda _: b""),
    "alg NoNe": encoded({**HEADER, "alg": "NoNe"}, CLAIMS, lambda _: b""),
    "alg none, signed": with_header(alg="none"),
    "alg empty": with_header(alg=""),
    "alg null": with_header(alg=None),
    "alg a list": with_header(alg=["EdDSA"]),
    "alg in lower case": with_header(alg="eddsa"),
    "alg Ed25519": with_header(alg="Ed25519"),
    "HS256 with the public key": encoded(HS256, CLAIMS, by_hmac(PUBLIC_RAW)),
    "HS256 with the public key in PEM": encoded(HS256, CLAIMS, by_hmac(PUBLIC_PEM)),
    "HS256 with an empty key": encoded(HS256, CLAIMS, by_hmac(b"")),
    "EdDSA in the header, HMAC in fact": encoded(HEADER, CLAIMS, by_hmac(PUBLIC_RAW)),
    "RS256": with_header(alg="RS256"),
    "ES256": with_header(alg="ES256"),
    "signed by a stranger": encoded(HEADER, CLAIMS, ANONYMOUS.sign),
    "no signature": f"{HEAD}.{BODY}.",
    "no last part": f"{HEAD}.{BODY}",
    "a signature of zeros": f"{HEAD}.{BODY}.{b64(bytes(64))}",
    "half a signature": f"{HEAD}.{BODY}.{SIGNATURE[:43]}",
    "a longer signature": f"{TOKEN}{SIGNATURE}",
    "the signature of another token": f"{TOKEN.rpartition('.')[0]}.{with_claims(sub='7').split('.')[2]}",
    "other claims under this signature": f"{HEAD}.{b64(json.dumps({**CLAIMS, 'sub': '7'}).encode())}.{SIGNATURE}",
    # keys
    "another kid": with_header(kid="kid-2"),
    "an empty kid": with_header(kid=""),
    "kid null": with_header(kid=None),
    "kid a number": with_header(kid=1),
    "kid a list": with_header(kid=["kid-1"]),
    "kid an object": with_header(kid={"kid-1": 1}),
    "kid a path": with_header(kid="../../../../dev/null"),
    "kid SQL": with_header(kid="kid-1' OR '1'='1"),
    "kid with a NUL": with_header(kid="kid-1\0"),
    "a key in the header": with_header(jwk={"kty": "OKP", "crv": "Ed25519", "x": b64(PUBLIC_RAW)}),
    "a key's address in the header": with_header(jku="https://evil.example/keys"),
    "a certificate's address in the header": with_header(x5u="https://evil.example/cert"),
    # the header
    "one more header": with_header(foo="bar"),
    "crit": with_header(crit=["exp"]),
    "crit and b64": with_header(crit=["b64"], b64=False),
    "zip": with_header(zip="DEF"),
    "no alg": without_header("alg"),
    "no kid": without_header("kid"),
    "no typ": without_header("typ"),
    "typ JWT": with_header(typ="JWT"),
    "typ a number": with_header(typ=1),
    "typ in upper case": with_header(typ="AT+JWT"),
    "a header that is a list": encoded([HEADER], CLAIMS),
    "a header that is null": encoded(None, CLAIMS),
    "a header that is no JSON": encoded(b"{", CLAIMS),
    "a header that is no UTF-8": encoded(b'{"alg":"\xff"}', CLAIMS),
    # claims
    **{f"no {name}": without_claim(name) for name in CLAIMS},
    **{f"{name} null": with_claims(**{name: None}) for name in CLAIMS},
    **{f"{name} a list": with_claims(**{name: [CLAIMS[name]]}) for name in CLAIMS},
    **{f"{name} an object": with_claims(**{name: {}}) for name in CLAIMS},
    "one more claim": with_claims(admin=True),
    "nbf": with_claims(nbf=IAT),
    "another issuer": with_claims(iss="https://evil.example"),
    "an issuer with a slash more": with_claims(iss=ISSUER + "/"),
    "another audience": with_claims(aud="another"),
    "two audiences": with_claims(aud=["waggle", "another"]),
    "sub a number": with_claims(sub=USER),
    "sub empty": with_claims(sub=""),
    "sub zero": with_claims(sub="0"),
    "sub negative": with_claims(sub="-1"),
    "sub with a leading zero": with_claims(sub=f"0{USER}"),
    "sub with a blank": with_claims(sub=f"{USER} "),
    "sub in another script": with_claims(sub="٧"),
    "sub beyond 64 bits": with_claims(sub=str(2**63)),
    "sub of many digits": with_claims(sub="9" * 3000),
    "sid a username": with_claims(sid="ann"),
    "jti a number": with_claims(jti=1),
    "exp passed": with_claims(iat=IAT - 700, exp=IAT - 100),
    "exp now": with_claims(exp=IAT),
    "exp a string": with_claims(exp=str(IAT + 600)),
    "exp a float": with_claims(exp=IAT + 600.0),
    "exp huge": with_claims(exp=1e308),
    "exp infinite": encoded(HEADER, json.dumps({**CLAIMS, "exp": float("inf")}).encode()),
    "exp not a number": encoded(HEADER, json.dumps({**CLAIMS, "exp": float("nan")}).encode()),
    "exp true": with_claims(exp=True),
    "exp negative": with_claims(exp=-1),
    "exp beyond the calendar": with_claims(exp=10**18),
    "exp of 2000 digits": encoded(HEADER, json.dumps(CLAIMS).replace(str(IAT + 600), "9" * 2000).encode()),
    "iat in the future": with_claims(iat=IAT + 120, exp=IAT + 720),
    "iat a string": with_claims(iat=str(IAT)),
    "iat a float": with_claims(iat=float(IAT)),
    "iat true": with_claims(iat=True),
    "iat negative": with_claims(iat=-1),
    "iat after exp": with_claims(iat=IAT + 20, exp=IAT + 10),
    "claims that are a list": encoded(HEADER, [CLAIMS]),
    "claims that are a string": encoded(HEADER, "claims"),
    "claims that are no JSON": encoded(HEADER, b"claims"),
    "claims nested deep": encoded(HEADER, b"[" * 1000 + b"]" * 1000),
    "no claims": encoded(HEADER, {}),
    # spelling
    "empty": "",
    "a blank": " ",
    "dots": "...",
    "two dots": "..",
    "a word": "token",
    "padded": TOKEN + "==",
    "padded inside": f"{HEAD}==.{BODY}.{SIGNATURE}",
    "a blank after it": TOKEN + " ",
    "a blank before it": " " + TOKEN,
    "a line break after it": TOKEN + "\n",
    "a line break inside": f"{HEAD}.{BODY}.{SIGNATURE[:40]}\n{SIGNATURE[40:]}",
    "a character that decoders skip": f"{HEAD}.{BODY}.{SIGNATURE[:40]}!{SIGNATURE[40:]}",
    "another spelling of the last bits": TOKEN[:-1] + chr(ord(TOKEN[-1]) + 1),
    "a NUL after it": TOKEN + "\0",
    "a fourth part": f"{TOKEN}.{SIGNATURE}",
    "five parts, as if encrypted": f"{TOKEN}.{SIGNATURE}.{SIGNATURE}",
    "Bearer before it": f"Bearer {TOKEN}",
    "not ASCII": TOKEN + "é",
    "digits of another script": TOKEN[:-1] + "７",
    "half a surrogate pair": TOKEN + "\ud800",
    "a megabyte": "A" * 2**20,
    "a megabyte of dots": "." * 2**20,
    "a megabyte of claims": with_claims(jti="x" * 2**20),
    "as JSON": json.dumps({"payload": BODY, "protected": HEAD, "signature": SIGNATURE}),
    "in standard base64": f"{HEAD}.{BODY}.{base64.b64encode(base64.urlsafe_b64decode(SIGNATURE + '==')).decode()}",
}


def test_a_token_contains_its_claims() -> None:
    expected = Claims(
        USER,
        SESSION,
        datetime.fromtimestamp(IAT, UTC),
        datetime.fromtimestamp(IAT, UTC) + timedelta(minutes=10),
    )

    assert TOKENS.verify(TOKEN, NOW) == expected


def test_the_hostile_tokens_differ_from_a_valid_one_only_by_their_names() -> None:
    assert TOKENS.verify(encoded(HEADER, CLAIMS), NOW) == TOKENS.verify(TOKEN, NOW)
    assert len(HOSTILE) > 100


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE.keys())
def test_id9_a_hostile_token_is_invalid_without_another_error(token: str) -> None:
    with pytest.raises(TokenInvalid):
        TOKENS.verify(token, NOW)


def test_id9_a_refresh_token_is_not_an_access_token() -> None:
    with pytest.raises(TokenInvalid):
        TOKENS.verify(REFRESH.issue(a_session()), NOW)


@given(position=st.integers(0, len(TOKEN) - 1), char=st.characters(codec="latin-1"))
def test_id9_a_token_with_a_changed_character_is_invalid(position: int, char: str) -> None:
    changed = TOKEN[:position] + char + TOKEN[position + 1 :]
    if changed != TOKEN:
        with pytest.raises(TokenInvalid):
            TOKENS.verify(changed, NOW)


BASE64 = st.text("ABCDwxyz0189-_", min_size=1, max_size=90)


@given(token=st.text(st.characters(), max_size=200) | st.builds("{}.{}.{}".format, BASE64, BASE64, BASE64))
def test_id9_any_text_is_an_invalid_token(token: str) -> None:
    with pytest.raises(TokenInvalid):
        TOKENS.verify(token, NOW)


@pytest.mark.parametrize(
    ("after", "valid"),
    [
        (timedelta(seconds=-30), True),  # a slightly slow clock
        (timedelta(seconds=-31), False),
        (timedelta(), True),
        (timedelta(seconds=599), True),
        (timedelta(seconds=600), False),
        (timedelta(days=3650), False),
    ],
)
def test_id9_a_token_lives_for_ten_minutes(after: timedelta, valid: bool) -> None:
    then = datetime.fromtimestamp(IAT, UTC) + after

    try:
        found = TOKENS.verify(TOKEN, then).user_id == USER
    except TokenInvalid:
        found = False

    assert found is valid


def test_equal_arguments_give_an_equal_token() -> None:
    assert TOKENS.issue(USER, SESSION, NOW) == (TOKEN, 600)


def test_id9_a_token_of_another_server_is_invalid() -> None:
    token, _ = JwtAccessTokens(TOKENS.keys, "https://other.example.org").issue(USER, SESSION, NOW)

    with pytest.raises(TokenInvalid):
        TOKENS.verify(token, NOW)


def test_a_token_of_a_retiring_key_is_valid_until_the_key_is_gone() -> None:
    new = Ed25519PrivateKey.generate()
    keys = SigningKeys("kid-2", new, {"kid-2": new.public_key(), "kid-1": PUBLIC})
    tokens = JwtAccessTokens(keys, ISSUER)

    assert tokens.verify(TOKEN, NOW).user_id == USER
    del keys.public["kid-1"]
    with pytest.raises(TokenInvalid):
        tokens.verify(TOKEN, NOW)


def test_the_published_keys_are_enough_to_verify() -> None:
    (published,) = TOKENS.keys.jwks()

    claims = jwt.decode(TOKEN, jwt.PyJWK(published), ["EdDSA"], {"verify_exp": False}, audience="waggle")

    assert claims == CLAIMS
    assert set(published) == {"kty", "crv", "alg", "use", "kid", "x"}, "no private member"


# --- Refresh tokens ---------------------------------------------------------------------------------

REFRESH = ChainedRefreshTokens(b"k" * 32)


def a_session(**members: Any) -> Session:
    return replace(
        Session(
            id=SESSION, user_id=USER, seed=b"s" * 16, generation=3, refreshed_at=NOW, authenticated_at=NOW
        ),
        **members,
    )


def test_a_refresh_token_matches_its_session_and_generation() -> None:
    session = a_session()

    token = REFRESH.issue(session)

    assert REFRESH.read(token) == (SESSION, 3)
    assert REFRESH.matches(token, session, 3) is True
    assert REFRESH.issue(session) == token


@pytest.mark.parametrize(
    "other",
    [a_session(id=SessionId(7)), a_session(seed=b"t" * 16), a_session(generation=4)],
    ids=["session", "seed", "generation"],
)
def test_a_refresh_token_matches_no_other_session(other: Session) -> None:
    token = REFRESH.issue(a_session())

    assert REFRESH.matches(token, other, other.generation) is False
    assert REFRESH.issue(other) != token


def test_another_key_makes_no_valid_refresh_token() -> None:
    forged = ChainedRefreshTokens(b"l" * 32).issue(a_session())

    assert REFRESH.matches(forged, a_session(), 3) is False


@pytest.mark.parametrize(
    "token",
    [
        "",
        "wgr",
        "wgr_7_3",
        "wgr_7_3_mac_more",
        "wgx_7_3_mac",
        "wgr_07_3_mac",
        "wgr_0_3_mac",
        "wgr_-7_3_mac",
        "wgr_7_-3_mac",
        "wgr_7__mac",
        "wgr_7_٣_mac",
        "wgr_7_²_mac",
        f"wgr_{2**63}_3_mac",
        "wgr_7_9999999999_mac",
        "wgr_7_3_" + "x" * 200,
        "wgr_7_3_é",
        "wgr_7_3_\ud800",
        "_" * 2**20,
        TOKEN,
    ],
)
def test_an_invalid_refresh_token_is_refused(token: str) -> None:
    with pytest.raises(SessionEnded):
        REFRESH.read(token)


@given(position=st.integers(0, 200), char=st.sampled_from("0123456789abcdefABCDEF_wgr -=\n"))
def test_a_refresh_token_with_a_changed_character_is_refused(position: int, char: str) -> None:
    session = a_session()
    token = REFRESH.issue(session)
    position %= len(token)
    changed = token[:position] + char + token[position + 1 :]
    try:
        found, generation = REFRESH.read(changed)
    except SessionEnded:
        return
    genuine = REFRESH.matches(changed, replace(session, id=found), generation)
    assert genuine is (changed == token)


# --- Keys -------------------------------------------------------------------------------------------


SECRETS = Secrets(bytes(range(32)))
DAY = timedelta(days=1)


class Server:
    """A store of keys, the processes that use it, and the commands of the operator."""

    def __init__(self) -> None:
        self.now = NOW
        self.store = MemoryKeyStore(Store())
        parts = self.store, partial(make_key, SECRETS), lambda: self.now
        events = MemorySecurityRecords(Store())
        self.security = SecurityLog(events, lambda: self.now, lambda: 0.0, Origin)
        self.ensure = EnsureKeys(*parts)
        self.rotate, self.revoke = RotateKeys(*parts, self.security), RevokeKey(*parts, self.security)

    async def process(self) -> "Process":
        await self.ensure()
        process = Process(self, SigningKeys())
        await process.reloads()
        return process

    async def states(self) -> list[KeyState]:
        return [key.state for key in in_order(await self.store.keys())]


@dataclass
class Process:
    server: Server
    keys: SigningKeys

    async def reloads(self) -> bool:
        return await load_keys(self.keys, self.server.store, SECRETS, self.server.now)

    def issues(self) -> str:
        return JwtAccessTokens(self.keys, ISSUER).issue(USER, SESSION, self.server.now)[0]

    def takes(self, token: str) -> bool:
        try:
            JwtAccessTokens(self.keys, ISSUER).verify(token, self.server.now)
        except TokenInvalid:
            return False
        return True


async def test_id10_processes_that_start_together_sign_with_the_same_key() -> None:
    server = Server()

    processes = await asyncio.gather(*(server.process() for _ in range(3)))

    assert len({process.issues() for process in processes}) == 1
    assert [process.keys.jwks() for process in processes] == [processes[0].keys.jwks()] * 3
    assert await server.states() == ["active", "next"]


async def test_id10_a_restart_keeps_the_key() -> None:
    server = Server()
    token = (await server.process()).issues()

    assert (await server.process()).takes(token) is True


async def test_id10_a_server_without_a_next_key_gets_one() -> None:
    server = Server()
    async with server.store.changing() as keys:
        await keys.put(make_key(SECRETS, NOW, "active"))

    await server.process()

    assert sorted(await server.states()) == ["active", "next"]


async def test_id10_a_key_is_published_before_it_signs_and_after() -> None:
    server = Server()
    process = await server.process()
    (first, second) = (key["kid"] for key in process.keys.jwks())
    old = process.issues()

    early = await server.rotate()
    assert (early.activated, early.wait) == (None, PUBLISHED)
    server.now += PUBLISHED
    done = await server.rotate()
    await process.reloads()

    assert done.activated == process.keys.active_kid == second
    assert [key["kid"] for key in process.keys.jwks()] == [first, second, done.made]
    server.now = NOW + LIFE - timedelta(seconds=1)
    assert process.takes(old) is True
    server.now = NOW + PUBLISHED + TRUSTED
    assert await process.reloads() is True, "a key is no longer trusted"
    assert [key["kid"] for key in process.keys.jwks()] == [second, done.made]


async def test_id10_during_a_rotation_every_process_accepts_the_tokens_of_the_others() -> None:
    server = Server()
    quick, slow = await server.process(), await server.process()

    for _ in range(5):
        server.now += PUBLISHED
        before = [quick.issues(), slow.issues()]
        await server.rotate()
        await quick.reloads()
        between = [quick.issues(), slow.issues()]
        assert quick.keys.active_kid != slow.keys.active_kid
        assert all(process.takes(token) for token in before + between for process in (quick, slow))
        await slow.reloads()
        after = [quick.issues(), slow.issues()]
        tokens = before + between + after
        assert all(process.takes(token) for token in tokens for process in (quick, slow))


async def test_id10_keys_whose_tokens_have_expired_are_gone() -> None:
    server = Server()
    await server.process()
    for _ in range(10):
        server.now += DAY
        await server.rotate()

    assert await server.states() == ["retiring", "active", "next"]
    assert [bool(key.private_sealed) for key in in_order(await server.store.keys())] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("state", ["active", "retiring", "next"])
async def test_id10_a_revoked_key_is_refused_and_another_signs(state: str) -> None:
    server = Server()
    process = await server.process()
    server.now += PUBLISHED
    retiring = process.issues()
    await server.rotate()
    await process.reloads()
    active = process.issues()
    (kid,) = (key.kid for key in await server.store.keys() if key.state == state)

    revoked = await server.revoke(kid)
    assert revoked is not None
    assert (revoked.kid, revoked.state) == (kid, state)
    assert await server.revoke(kid) is None

    assert await process.reloads() is True
    assert kid not in {key["kid"] for key in process.keys.jwks()}
    assert (process.takes(retiring), process.takes(active)) == (state != "retiring", state != "active")
    assert process.takes(process.issues()) is True
    assert (await server.states())[-2:] == ["active", "next"]


async def test_id10_an_unknown_key_causes_no_read_of_the_store() -> None:
    process = await (server := Server()).process()
    server.store = None  # type: ignore[assignment]

    assert process.takes(TOKEN) is False


async def test_the_stored_key_is_sealed() -> None:
    process = await (server := Server()).process()

    stored = next(key for key in await server.store.keys() if key.state == "active")
    assert process.keys.private is not None
    assert process.keys.private.private_bytes_raw() not in stored.private_sealed
    with pytest.raises(ValueError, match="cannot open"):
        await load_keys(SigningKeys(), server.store, Secrets(bytes(range(1, 33))), NOW)
