"""No input of a client causes a server error."""

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from .client import Api, Member, done, fresh_key
from .conftest import OWN_SERVER
from .contract import Operation, operations
from .hostile_values import BODIES, HEADER_VALUES, HEADERS, IDS, KINDS, QUERIES, VALUES
from .process import Waggle
from .wire import Answer, check, chunked, exchange

pytestmark = pytest.mark.short_run_shapes("embedded", "postgres")

JSON = ("Content-Type", "application/json")

# --- Bodies ---------------------------------------------------------------------------------------


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


@pytest.mark.short_run_shapes("postgres")  # PostgreSQL refuses more values than SQLite
@pytest.mark.parametrize("name", VALUES)
def test_a_hostile_value_in_any_member_causes_no_server_error(
    api: Api, maya: Member, post_id: str, with_bodies: list[Operation], name: str
) -> None:
    """IN-1."""
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


@pytest.mark.short_run_shapes("embedded")  # no store is used
@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_causes_no_server_error(
    api: Api, maya: Member, post_id: str, with_bodies: list[Operation], name: str
) -> None:
    """IN-1."""
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


def test_a_hostile_content_type_causes_no_server_error(
    api: Api, maya: Member, post_id: str, with_bodies: list[Operation]
) -> None:
    """IN-1."""
    for operation in with_bodies:
        for kind in KINDS:
            answer = _send(api, maya, operation, post_id, [("Content-Type", kind)], b'{"text":"x"}')
            assert answer.status in {200, 201, 400, 404, 409, 415, 422}, (operation.name, kind, answer)


def test_a_chunked_body_has_the_same_limit(
    api: Api, maya: Member, post_id: str, with_bodies: list[Operation]
) -> None:
    """IN-1."""
    for operation in with_bodies:
        parts = [b'{"text":"', *[b"x" * 8_192] * 12, b'"}']
        headers = [JSON, ("Transfer-Encoding", "chunked"), _token(maya)]
        target = operation.at(post_id=post_id)
        answer = exchange(api.base_url, operation.method, target, headers, raw_body=chunked(*parts))
        assert check(answer, operation.name).status == 413, operation.name


def test_a_chunked_body_is_accepted(api: Api, maya: Member) -> None:
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
def test_a_body_of_ambiguous_length_is_refused_or_read_correctly(
    api: Api, maya: Member, headers: list[tuple[str, str]]
) -> None:
    """IN-1."""
    before = len(maya.all_items(f"/api/v1/users/{maya.id}/posts"))
    sent = [JSON, _token(maya), *headers]
    answer = exchange(api.base_url, "POST", "/api/v1/posts", sent, raw_body=b"{}\r\n\r\n")
    assert 400 <= check(answer, headers).status < 500
    assert len(maya.all_items(f"/api/v1/users/{maya.id}/posts")) == before


def test_unexpected_bodies_cause_no_server_error(api: Api, maya: Member, post_id: str) -> None:
    """IN-1."""
    for operation in operations(api):
        if operation.body is None and "/auth/logout" not in operation.name:
            for body in (b"{}", b"\xff" * 100, b"x" * 100_000):
                target = operation.at(post_id=post_id)
                if operation.method == "DELETE" and not target.endswith("/like"):
                    target = operation.at()
                sent = [JSON, _token(maya)]
                answer = check(exchange(api.base_url, operation.method, target, sent, body), operation.name)
                assert answer.status < 500, (operation.name, answer)


# --- Paths and queries ----------------------------------------------------------------------------


@pytest.mark.short_run_shapes("postgres")
@pytest.mark.parametrize("id_", IDS, ids=lambda value: ascii(value)[:30])
def test_a_hostile_id_is_not_found(api: Api, maya: Member, id_: str) -> None:
    """IN-1."""
    for operation in operations(api):
        if "{" not in operation.path:
            continue
        target = operation.at(post_id=id_, user_id=id_).encode("latin-1")
        body = json.dumps(operation.body).encode() if operation.body else None
        answer = check(exchange(api.base_url, operation.method, target, [JSON, _token(maya)], body), target)
        assert answer.status in {400, 404, 405}, (operation.name, answer)
        assert "x-evil" not in answer.headers


@pytest.mark.parametrize("name", QUERIES)
def test_a_hostile_query_causes_no_server_error(api: Api, maya: Member, post_id: str, name: str) -> None:
    """IN-1."""
    for operation in operations(api):
        if operation.method == "GET":
            target = operation.at(post_id=post_id, user_id=maya.id) + "?" + QUERIES[name]
            answer = check(exchange(api.base_url, "GET", target.encode("latin-1"), [_token(maya)]), name)
            assert answer.status in {200, 400, 404, 406, 414, 422, 431}, (operation.name, answer)
            assert answer.status == 200 or b"<script>" not in answer.body
            assert "<script>" not in str(answer.headers)


# --- Headers --------------------------------------------------------------------------------------


@pytest.mark.short_run_shapes("embedded")  # no store is used
@pytest.mark.parametrize("header", HEADERS)
def test_a_hostile_header_causes_no_server_error(api: Api, maya: Member, post_id: str, header: str) -> None:
    """IN-1."""
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


def test_many_headers_cause_no_server_error(api: Api, maya: Member) -> None:
    """IN-1."""
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
            answer = check(exchange(api.base_url, "GET", path, [*headers, _token(maya)]), path)
            assert answer.status < 500, (path, answer)
        answer = check(exchange(api.base_url, "POST", "/api/v1/posts", [*headers, _token(maya)], b"{}"))
        assert 400 <= answer.status < 500, answer


@pytest.mark.short_run_shapes("embedded")  # no store is used
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_hostile_headers_cause_no_server_error_on_any_route(
    api: Api, maya: Member, post_id: str, method: str
) -> None:
    """The worst values of each kind on every route, not only on those that read the header (IN-1)."""
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
        answer = check(
            exchange(api.base_url, method, target, [*worst, _token(maya)], b"{}"), (method, target)
        )
        assert answer.status < 500, (method, target, answer)


def test_a_hundred_thousand_parameters_are_refused(api: Api) -> None:
    """IN-1."""
    query = "&".join(f"a{number}=1" for number in range(100_000))
    with suppress(ConnectionResetError):  # the server closes while the test still sends
        answer = exchange(api.base_url, "GET", f"/api/v1/users?{query}")
        assert answer.status in {400, 414, 431}
    done(api.nobody.get("/livez"))


def test_no_hostile_body_takes_a_second_of_processor_time(
    api: Api, server: Waggle | None, maya: Member, post_id: str, with_bodies: list[Operation]
) -> None:
    """IN-1."""
    if server is None:
        pytest.skip(OWN_SERVER)
    (operation,) = [one for one in with_bodies if one.name == "POST /api/v1/posts"]
    bodies = BODIES | {name: b'{"text":%s}' % value for name, value in VALUES.items()}
    for name, body in bodies.items():
        before = server.cpu_seconds()
        _send(api, maya, operation, post_id, [JSON], body)
        assert server.cpu_seconds() - before < 1, name


# --- Afterwards -----------------------------------------------------------------------------------


def test_hostile_inputs_leave_no_memory_behind(server: Waggle | None, memory_before: int) -> None:
    """IN-1."""
    if server is not None:
        assert server.memory() - memory_before < 50_000_000


def test_a_key_of_refused_requests_can_still_be_used(api: Api, maya: Member, post_id: str) -> None:
    """None of the refusals above has left a lock, an open transaction or a used key."""
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
