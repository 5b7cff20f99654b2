"""Access tokens, which only this server can make."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from adapters.security.tokens import (
    JwtAccessTokens,
    SigningKeys,
    b64,
)
from application.identity.ports import Claims
from application.shared.errors import TokenInvalid
from tests.unit.token_samples import (
    ISSUER,
    NOW,
    PRIVATE,
    PUBLIC,
    REFRESH,
    SESSION,
    TOKEN,
    TOKENS,
    USER,
    a_session,
)

PUBLIC_RAW = PUBLIC.public_bytes(Encoding.Raw, PublicFormat.Raw)
PUBLIC_PEM = PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ANONYMOUS = Ed25519PrivateKey.from_private_bytes(bytes(32))

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
