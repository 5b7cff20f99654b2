"""Nothing that anybody sends is answered with a mistake of the server."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from .client import Api, Member, done, fresh_key
from .contract import Operation, operations
from .process import Waggle
from .wire import Answer, check, chunked, exchange

pytestmark = pytest.mark.told_by("embedded", "postgres")

DEEP = 100_000
JSON = ("Content-Type", "application/json")

# --- Bodies ---------------------------------------------------------------------------------------

VALUES: dict[str, bytes] = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "2^63": b"9223372036854775808",
    "2^64": b"18446744073709551616",
    "-2^63-1": b"-9223372036854775809",
    "1e400": b"1e400",
    "-1e400": b"-1e400",
    "4000 digits": b"9" * 4000,
    "0.1 with many digits": b"0." + b"1" * 10_000,
    "NUL": b'"\\u0000"',
    "NUL inside": b'"hello \\u0000 world"',
    "raw NUL": b'"\x00"',
    "lone high surrogate": b'"\\ud800"',
    "lone low surrogate": b'"\\udc00 text"',
    "surrogates in the wrong order": b'"\\udc00\\ud800"',
    "raw surrogate": b'"\xed\xa0\x80"',
    "invalid UTF-8": b'"\xff\xfe\xfd"',
    "overlong UTF-8": b'"\xc0\x80"',
    "cut UTF-8": b'"\xf0\x9f\x90"',
    "beyond Unicode": b'"\xf4\x90\x80\x80"',
    "noncharacter": b'"\xef\xbf\xbf"',
    "bad escape": b'"\\x41"',
    "short escape": b'"\\u12"',
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a number as text": b'"1"',
    "empty": b'""',
    "an empty list": b"[]",
    "an empty object": b"{}",
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep lists, open": b"[" * 30_000,
    "deep objects": b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    "a huge list": b"[" + b"0," * 30_000 + b"0]",
    "a huge list of texts": b"[" + b'"",' * 20_000 + b'""]',
    "many members": b"{" + b",".join(b'"a%d":1' % number for number in range(5_000)) + b"}",
    "right to left": '"\u202e\u2066abc\u2069"'.encode(),
    "zero width": '"\u200b\u200c\u200d\ufeff"'.encode(),
    "zalgo": ('"e' + "\u0301" * 3_990 + '"').encode(),
    "a family": '"👩‍👩‍👧‍👦"'.encode(),
    "flags cut": '"🇩🇩🇩"'.encode(),
    "line ends": b'"a\\r\\nb\\u2028c\\u2029d\\u0085e"',
    "markup": b'"<script>alert(1)</script>&lt;"',
    "SQL": b'"\'; DROP TABLE posts; --"',
    "a template": b'"{{7*7}} ${7*7} %s %d %n {0}"',
    "a path": b'"../../../../etc/passwd"',
    "a URL": b'"http://169.254.169.254/latest/meta-data"',
    "mentions": b'"' + b"@aaa " * 1_500 + b'"',
    "at signs": b'"' + b"@" * 8_000 + b'"',
    "long name": b'"' + b"a" * 60_000 + b'"',
    "an address of dots": b'"' + b"a@" + b"a." * 100 + b'"',
    "an address with a NUL": b'"a\\u0000@example.org"',
    "Arabic digits": '"١٢٣"'.encode(),
    "Kelvin": '"\u212a\u212a\u212a\u212a"'.encode(),
    "capital I with dot": '"İİİİ"'.encode(),
    "ligature that grows": ('"' + "\ufdfa" * 60 + '"').encode(),
}

BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "a list": b"[]",
    "null": b"null",
    "deep lists": b"[" * DEEP,
    "deep lists, shorter than the limit": b"[" * 60_000,
    "deep objects": b'{"a":' * 10_000,
    "deep in an unknown member": b'{"unknown":' + b"[" * 60_000 + b"}",
    "deep and closed in an unknown member": b'{"unknown":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep below the limit": b'{"unknown":' + b"[" * 900 + b"]" * 900 + b"}",
    "a byte order mark": b'\xef\xbb\xbf{"text":"x"}',
    "UTF-16": '{"text":"x"}'.encode("utf-16"),
    "UTF-32": '{"text":"x"}'.encode("utf-32"),
    "Latin-1": '{"text":"é"}'.encode("latin-1"),
    "the same member twice": b'{"text":"one","text":"two"}',
    "the same member twice, of two kinds": b'{"text":"one","text":["two"]}',
    "the same unknown member twice": b'{"a":1,"a":2}',
    "a member without a name": b'{"":1}',
    "a member with a NUL": b'{"\\u0000":1}',
    "a member with a surrogate": b'{"\\ud800":1}',
    "a member with bad UTF-8": b'{"\xff":1}',
    "a member with a long name": b'{"' + b"a" * 60_000 + b'":1}',
    "comments": b'{"text":"x"} // x',
    "two documents": b'{"text":"x"}{"text":"y"}',
    "a form": b"text=hello",
    "a multipart form": b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\r\n--x--',
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "zeros": b"\x00" * 1000,
    "just below the limit": b'{"text":"' + b"x" * 65_525 + b'"}',
    "just above the limit": b'{"text":"' + b"x" * 65_526 + b'"}',
    "ten times the limit": b"x" * 655_360,
}

KINDS: tuple[bytes, ...] = (
    b"",
    b"text/plain",
    b"application/json; charset=utf-16",
    b"application/json; charset=nonsense",
    b"application/json; charset=\xff",
    b"application/json; charset=" + b"x" * 10_000,
    b"application/json;;;",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"multipart/form-data; boundary=" + b"x" * 500,
    b"multipart/form-data; boundary=x; charset=nonsense",
    b"application/x-www-form-urlencoded",
    b"application/msgpack",
    b"\xff\xfe",
    b"/",
    b";",
)


@pytest.fixture(scope="module", autouse=True)
def memory_before(server: Waggle | None) -> int:
    return server.memory() if server is not None else 0


@pytest.fixture(scope="module")
def maya(api: Api) -> Member:
    return api.someone()


@pytest.fixture(scope="module")
def post_id(maya: Member) -> str:
    return str(maya.publishes()["id"])


@pytest.fixture(scope="module")
def with_bodies(api: Api) -> list[Operation]:
    found = [operation for operation in operations(api) if operation.body is not None]
    assert found
    return found


def _token(maya: Member) -> tuple[str, str]:
    return ("Authorization", f"Bearer {maya.tokens['access_token']}")


@pytest.mark.told_by("postgres")  # which refuses more values than SQLite
@pytest.mark.parametrize("name", VALUES)
def test_in1_a_hostile_value_in_any_member_does_no_harm(
    api: Api, maya: Member, post_id: str, with_bodies: list[Operation], name: str
) -> None:
    for operation in with_bodies:
        for member in [*_members(api, operation), "unknown"]:
            good = operation.body or {}
            members = {key: json.dumps(value).encode() for key, value in good.items()} | {
                member: VALUES[name]
            }
            body = (
                b"{" + b",".join(b'"%s":%s' % (key.encode(), value) for key, value in members.items()) + b"}"
            )
            answer = _send(api, maya, operation, post_id, [JSON], body)
            assert answer.status in {200, 201, 204, 400, 401, 403, 404, 409, 413, 422}, (
                operation.name,
                member,
                answer,
            )
            if member == "unknown":
                assert answer.status in {400, 413, 422}, (operation.name, answer)
    done(maya.get("/api/v1/me"))


@pytest.mark.told_by("embedded")  # no store is asked
@pytest.mark.parametrize("name", BODIES)
def test_in1_a_hostile_body_does_no_harm(
    api: Api, maya: Member, post_id: str, with_bodies: list[Operation], name: str
) -> None:
    for operation in with_bodies:
        answer = _send(api, maya, operation, post_id, [JSON], BODIES[name])
        assert answer.status in {200, 201, 400, 413, 422}, (operation.name, answer)
        for kind in (b"text/plain", b"multipart/form-data; boundary=x"):
            answer = _send(api, maya, operation, post_id, [("Content-Type", kind)], BODIES[name])
            assert answer.status in ({413, 415} if BODIES[name] else {400, 415}), (
                operation.name,
                kind,
                answer,
            )


def test_in1_a_hostile_content_type_does_no_harm(
    api: Api, maya: Member, post_id: str, with_bodies: list[Operation]
) -> None:
    for operation in with_bodies:
        for kind in KINDS:
            _send(api, maya, operation, post_id, [("Content-Type", kind)], b'{"text":"x"}')


def test_in1_a_body_in_chunks_has_the_same_limit(
    api: Api, maya: Member, post_id: str, with_bodies: list[Operation]
) -> None:
    for operation in with_bodies:
        parts = [b'{"text":"', *[b"x" * 8_192] * 12, b'"}']
        headers = [JSON, ("Transfer-Encoding", "chunked"), _token(maya)]
        target = operation.at(post_id=post_id)
        answer = exchange(api.base_url, operation.method, target, headers, raw_body=chunked(*parts))
        assert check(answer, operation.name).status == 413, operation.name


def test_a_body_in_chunks_is_as_good_as_another(api: Api, maya: Member) -> None:
    headers = [JSON, ("Transfer-Encoding", "chunked"), _token(maya)]
    body = chunked(b'{"te', b'xt":"in pie', b'ces"}')
    answer = exchange(api.base_url, "POST", "/api/v1/posts", headers, raw_body=body)
    assert (answer.status, answer.json["text"]) == (201, "in pieces")


@pytest.mark.parametrize(
    "headers",
    [
        [("Transfer-Encoding", "chunked"), ("Content-Length", "5")],
        [("Content-Length", "5"), ("Content-Length", "6")],
        [("Content-Length", "-1")],
        [("Content-Length", "+5")],
        [("Content-Length", "5, 5")],
        [("Content-Length", "9" * 40)],
        [("Content-Length", "x")],
        [("Transfer-Encoding", "gzip")],
        [("Transfer-Encoding", "chunked, chunked")],
        [("Transfer-Encoding", "xchunked")],
        [("Content-Encoding", "gzip"), ("Content-Length", "2")],
        [("Expect", "nonsense"), ("Content-Length", "2")],
        [("Upgrade", "h2c"), ("HTTP2-Settings", "AAAA"), ("Content-Length", "2")],
    ],
    ids=str,
)
def test_in1_a_body_of_unclear_length_is_refused_or_read_right(
    api: Api, maya: Member, headers: list[tuple[str, str]]
) -> None:
    before = len(maya.walks(f"/api/v1/users/{maya.id}/posts"))
    sent = [JSON, _token(maya), *headers]
    answer = exchange(api.base_url, "POST", "/api/v1/posts", sent, raw_body=b"{}\r\n\r\n")
    assert 400 <= check(answer, headers).status < 500
    assert len(maya.walks(f"/api/v1/users/{maya.id}/posts")) == before


def test_in1_bodies_where_none_belongs_do_no_harm(api: Api, maya: Member, post_id: str) -> None:
    for operation in operations(api):
        if operation.body is None and "/auth/logout" not in operation.name:
            for body in (b"{}", b"\xff" * 100, b"x" * 100_000):
                target = operation.at(post_id=post_id)
                if operation.method == "DELETE" and not target.endswith("/like"):
                    target = operation.at()
                sent = [JSON, _token(maya)]
                check(exchange(api.base_url, operation.method, target, sent, body), operation.name)


# --- Paths and queries ----------------------------------------------------------------------------

IDS = (
    "0", "-1", "+1", "007", "1.0", "1e3", "0x1", "1_0", "%20" + "1", "1%20", "9223372036854775807", "9223372036854775808", "18446744073709551616", "9" * 4000,
    "%D9%A1%D9%A2", "%EF%BC%91", "%00", "1%00", "%ff", "%ed%a0%80", "%c0%80", "NaN", "null", "true", "[]", "{}", "%7B%7D", "'%20OR%201=1--", "%2e%2e", "%2e%2e%2f", "..%5c",
    "*", "%", "%%", "%zz", "%u0031", "x" * 20_000, "1;2", "1,2", "1&2", "%0d%0aX-Evil:1", "<script>", "%F0%9F%90%9D", "⁷".encode().decode("latin-1"),
)  # fmt: skip


@pytest.mark.told_by("postgres")
@pytest.mark.parametrize("id_", IDS, ids=lambda value: ascii(value)[:30])
def test_in1_a_hostile_id_names_nobody(api: Api, maya: Member, id_: str) -> None:
    for operation in operations(api):
        if "{" not in operation.path:
            continue
        target = operation.at(post_id=id_, user_id=id_).encode("latin-1")
        body = json.dumps(operation.body).encode() if operation.body else None
        answer = check(exchange(api.base_url, operation.method, target, [JSON, _token(maya)], body), target)
        assert answer.status in {400, 404, 405}, (operation.name, answer)
        assert "x-evil" not in answer.headers


QUERIES: dict[str, str] = {
    "ten thousand parameters": "&".join(f"a{number}=1" for number in range(10_000)),
    "a hundred thousand parameters without a name": "&" * 60_000,
    "one parameter ten thousand times": "&".join(["limit=5"] * 10_000),
    "two limits": "limit=5&limit=6",
    "a limit without a value": "limit",
    "a limit with a NUL": "limit=%00",
    "a limit with bad UTF-8": "limit=%ff",
    "a limit of Arabic digits": "limit=%D9%A5",
    "a limit of many digits": "limit=" + "9" * 30_000,
    "a limit in exponents": "limit=1e1",
    "a cursor with a NUL": "cursor=%00",
    "a cursor with bad UTF-8": "cursor=%ff%fe",
    "a cursor with a surrogate": "cursor=%ed%a0%80",
    "a long cursor": "cursor=" + "A" * 60_000,
    "two cursors": "cursor=AAAA&cursor=BBBB",
    "a cursor that is a list": "cursor[]=A&limit[]=5&limit[a]=5",
    "a name with a NUL": "username=%00&cursor=",
    "a name with bad UTF-8": "username=%ff%fe",
    "a name with a surrogate": "username=%ed%a0%80",
    "a name of blanks": "username=%20%20%20",
    "a name that is long": "username=" + "x" * 60_000,
    "two names": "username=aaa&username=bbb",
    "signs": "&&&===;;;???%%%",
    "a wrong escape": "a=%zz&%=%",
    "markup": "a=<script>&'\"",
    "blank names": "=1&=2",
}


@pytest.mark.parametrize("name", QUERIES)
def test_in1_a_hostile_query_does_no_harm(api: Api, maya: Member, post_id: str, name: str) -> None:
    for operation in operations(api):
        if operation.method == "GET":
            target = operation.at(post_id=post_id, user_id=maya.id) + "?" + QUERIES[name]
            answer = check(exchange(api.base_url, "GET", target.encode("latin-1"), [_token(maya)]), name)
            assert answer.status in {200, 400, 404, 406, 414, 422, 431}, (operation.name, answer)
            assert answer.status == 200 or b"<script>" not in answer.body
            assert "<script>" not in str(answer.headers)


# --- Headers --------------------------------------------------------------------------------------

HEADER_VALUES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"*",
    b'"',
    b'""',
    b'"\\"',
    b"W/",
    b'W/"',
    b'W/"1.0"',
    b'"99999999999999999999999999.0000000000000000"',
    b'"' + b"9" * 150 + b'.0000000000000000"',
    '"١.0000000000000000"'.encode(),
    b'"-1.0000000000000000"',
    b"1,2,3",
    b"," * 100,
    b"null",
    b"x" * 300,
    b"x" * 65_536,
    b"\xff\xfe",
    b"\x80",
    b"\xed\xa0\x80",
    "🐝".encode(),
    b"\t",
    b"\x7f",
    b"\x00",
    b"\x1b[31m",
    b"%00",
    b"%0d%0aX-Evil: 1",
    b"a\rb",
    b"<script>alert(1)</script>",
    b"'; DROP TABLE posts; --",
    b"{{7*7}}${jndi:ldap://127.0.0.1:9/}",
    b"()" + b" { :; }; echo",
)

HEADERS = (
    "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id", "Traceparent", "Tracestate", "Origin", "Accept", "Accept-Encoding", "Accept-Language", "Cookie", "Forwarded",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-HTTP-Method-Override", "Range", "Content-Type", "Authorization", "Referer", "User-Agent",
    "Access-Control-Request-Method", "Access-Control-Request-Headers", "Prefer", "X-Anything",
)  # fmt: skip


@pytest.mark.told_by("embedded")  # no store is asked
@pytest.mark.parametrize("header", HEADERS)
def test_in1_a_hostile_header_does_no_harm(api: Api, maya: Member, post_id: str, header: str) -> None:
    body = b'{"display_name":"Maya"}'
    for value in HEADER_VALUES:
        for method, target, content in (
            ("GET", "/api/v1/me", None),
            ("PATCH", "/api/v1/me", body),
            ("POST", f"/api/v1/posts/{post_id}/comments", b'{"text":"x"}'),
            ("POST", "/api/v1/auth/login", b'{"login":"nobody","password":"nothing at all"}'),
            ("OPTIONS", "/api/v1/me", None),
        ):
            sent: list[tuple[str, str | bytes]] = [(header, value)]
            sent += [pair for pair in (JSON, _token(maya)) if pair[0] != header]
            answer = check(exchange(api.base_url, method, target, sent, content), (header, value, method))
            assert "x-evil" not in answer.headers
            if answer.handled:
                assert answer.headers["x-request-id"].isascii()


def test_in1_many_headers_do_no_harm(api: Api, maya: Member) -> None:
    for headers in (
        [(f"X-{number}", "x") for number in range(2_000)],
        [("X-Long", "x" * 65_536)],
        [("Cookie", "a=b; " * 13_000)],
        [("X" * 65_536, "x")],
        [("If-None-Match", '"x"')] * 500,
        [("Idempotency-Key", "one"), ("Idempotency-Key", "two")],
        [("Content-Type", "application/json"), ("Content-Type", "text/plain")],
    ):
        for path in ("/api/v1/me", "/livez", "/nope"):
            check(exchange(api.base_url, "GET", path, [*headers, _token(maya)]), path)
        check(exchange(api.base_url, "POST", "/api/v1/posts", [*headers, _token(maya)], b"{}"))


@pytest.mark.told_by("embedded")  # no store is asked
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_in1_every_route_takes_every_header_with_composure(
    api: Api, maya: Member, post_id: str, method: str
) -> None:
    """The worst values of each kind on every route, not only on those that look at the header."""
    worst: list[tuple[str, str | bytes]] = [
        ("Idempotency-Key", b"\xff"),
        ("If-Match", b'"\xff"'),
        ("If-None-Match", b"\xff" * 100),
        ("X-Request-Id", b"\xff\t<>"),
        ("Content-Type", b"application/json; charset=\xff"),
    ]
    for operation in operations(api):
        target = operation.at(post_id="1", user_id=maya.id)
        if "/auth/logout" in target:
            continue
        check(exchange(api.base_url, method, target, [*worst, _token(maya)], b"{}"), (method, target))


def test_in1_a_hundred_thousand_parameters_are_refused_unread(api: Api) -> None:
    query = "&".join(f"a{number}=1" for number in range(100_000))
    with suppress(ConnectionResetError):  # closed while we still send
        answer = exchange(api.base_url, "GET", f"/api/v1/users?{query}")
        assert answer.status in {400, 414, 431}
    done(api.nobody.get("/livez"))


def test_in1_no_hostile_body_takes_a_second_of_the_processor(
    api: Api, server: Waggle | None, maya: Member, post_id: str, with_bodies: list[Operation]
) -> None:
    if server is None:
        pytest.skip("needs a server of its own")
    (operation,) = [one for one in with_bodies if one.name == "POST /api/v1/posts"]
    bodies = BODIES | {name: b'{"text":%s}' % value for name, value in VALUES.items()}
    for name, body in bodies.items():
        before = server.cpu_seconds()
        _send(api, maya, operation, post_id, [JSON], body)
        assert server.cpu_seconds() - before < 1, name


# --- Afterwards -----------------------------------------------------------------------------------


def test_in1_all_of_this_takes_no_memory_that_stays(server: Waggle | None, memory_before: int) -> None:
    if server is not None:
        assert server.memory() - memory_before < 50_000_000


def test_a_key_that_was_used_in_vain_still_works(api: Api, maya: Member, post_id: str) -> None:
    """None of the refusals above has left a lock, a half transaction or a spent key."""
    key = {"Idempotency-Key": fresh_key()}
    for body in (b"{", b"[]", b'{"text":"\\u0000"}', b'{"text":"\\ud800"}'):
        sent = [JSON, _token(maya), *key.items()]
        answer = exchange(api.base_url, "POST", "/api/v1/posts", sent, body)
        assert check(answer).status in {400, 422}
    done(maya.post("/api/v1/posts", {"text": "at last"}, headers=key), 201)


def _members(api: Api, operation: Operation) -> Iterator[str]:
    body: str = operation.described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    document = done(api.nobody.get("/api/openapi.json"))
    yield from document["components"]["schemas"][body.rpartition("/")[2]]["properties"]


def _send(
    api: Api,
    maya: Member,
    operation: Operation,
    post_id: str,
    headers: list[tuple[str, str | bytes]] | list[tuple[str, str]] | list[tuple[str, bytes]],
    body: bytes,
) -> Answer:
    target = operation.at(post_id=post_id)
    answer = exchange(api.base_url, operation.method, target, [*headers, _token(maya)], body)
    return check(answer, (operation.name, body[:100]))
