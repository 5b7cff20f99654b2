"""Rules for every request and every answer, whatever the route."""

import gzip
import http.client
import json
import select
import socket
import time
from contextlib import ExitStack, closing
from typing import Any

import httpx
import pytest
from backports import zstd

from .client import PASSWORD, Api, done, eventually, fresh_name, refusal, refused
from .conftest import OWN_SERVER, RUNNING
from .process import Waggle
from .wire import check, exchange

LOCAL = "http://localhost:5173"
ONE = pytest.mark.short_run_shapes("embedded")
PIPELINED = b"GET /livez HTTP/1.1\r\nHost: waggle\r\n\r\n"


@pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)
@ONE
def test_pipelined_requests_use_no_memory(api: Api, server: Waggle) -> None:
    """Sends 150,000 requests on three connections and reads no answer."""
    before = server.memory()
    with ExitStack() as stack:
        senders = {}
        for _ in range(3):
            sender = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            sender.setblocking(False)
            senders[sender] = memoryview(PIPELINED * 50_000)
        end = time.monotonic() + 20
        while senders and time.monotonic() < end:
            _, ready, _ = select.select([], [*senders], [], 1.0)
            if not ready:
                break  # the server stopped reading
            for sender in ready:
                senders[sender] = senders[sender][sender.send(senders[sender][:65536]) :]
                if not senders[sender]:
                    del senders[sender]
        peak, end = before, time.monotonic() + 5
        while time.monotonic() < end:  # other clients are served meanwhile
            assert api.nobody.get("/livez").status_code == 200
            peak = max(peak, server.memory())

    assert peak - before < 40 * 1024 * 1024


@pytest.mark.skipif(bool(RUNNING), reason=OWN_SERVER)
@ONE
def test_pipelined_requests_are_answered_in_order(server: Waggle) -> None:
    asked = [f"/api/v1/posts/{number}" if number % 3 else "/livez" for number in range(500)]
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(
            b"".join(b"GET %b HTTP/1.1\r\nHost: waggle\r\n\r\n" % path.encode() for path in asked)
        )
        with closing(connection.makefile("rb")) as answers:
            got = [_one_answer(answers) for _ in asked]

    assert got == [404 if number % 3 else 200 for number in range(500)]


def _one_answer(answers: Any) -> int:
    status = int(answers.readline().split()[1])
    length = 0
    while (line := answers.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        length = int(value) if name == b"content-length" else length
    answers.read(length)
    return status


@ONE
def test_exactly_one_host_header_is_required(base_url: str) -> None:
    place = base_url.partition("//")[2]
    for hosts in ([], [place, place], [place, "evil.example"], [""], ["a b"], ["evil@example"]):
        head = [b"GET /livez HTTP/1.1", *(b"Host: " + host.encode() for host in hosts), b"Connection: close"]
        status, headers, body = raw(base_url, b"\r\n".join(head) + b"\r\n\r\n")
        assert (status, json.loads(body)["code"]) == (400, "host_invalid"), hosts
        assert headers["content-type"] == "application/problem+json"
    assert raw(base_url, b"GET /livez HTTP/1.0\r\n\r\n")[0] == 200


@ONE
def test_invalid_http_is_answered_with_problem_details(base_url: str) -> None:
    status, headers, body = raw(base_url, b"GET / HTTP/1.1\r\nbroken\r\n\r\n")

    assert (status, json.loads(body)["code"]) == (400, "bad_request")
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["request_id"] == headers["x-request-id"]


@ONE
def test_headers_of_more_than_32_kb_are_refused(base_url: str) -> None:
    assert exchange(base_url, "GET", "/livez", [("X-Long", "x" * 31_000)]).status == 200
    for size in (33_000, 60_000, 120_000):
        answer = check(exchange(base_url, "GET", "/livez", [("X-Long", "x" * size)]))
        assert (answer.status, answer.json["code"]) == (431, "headers_too_large")
    many = check(exchange(base_url, "GET", "/livez", [(f"X-{number}", "x" * 100) for number in range(400)]))
    assert many.status == 431


def raw(base_url: str, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    place = httpx.URL(base_url)
    with socket.create_connection((place.host, place.port or 80), 10) as connection:
        connection.sendall(sent)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return (
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(),
        )


@ONE
def test_encoded_bodies_and_other_charsets_are_refused(api: Api) -> None:
    maya = api.someone()
    body = json.dumps({"text": "hällo"})
    token = {"Authorization": f"Bearer {maya.tokens['access_token']}"}
    for content_type in ("application/json; charset=iso-8859-1", 'application/json; charset="utf-16"'):
        sent = {**token, "Content-Type": content_type}
        response = api.http.post("/api/v1/posts", content=body.encode("latin-1"), headers=sent)
        assert refusal(response) == (415, "unsupported_media_type")
    sent = {**token, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = api.http.post("/api/v1/posts", content=gzip.compress(body.encode()), headers=sent)
    assert refusal(answer) == (415, "content_encoding_unsupported")
    assert answer.headers["accept-encoding"] == "identity"
    form = {"file": ("a.png", b"x", "image/png")}
    response = api.http.post("/api/v1/media", files=form, headers={**token, "Content-Encoding": "gzip"})
    assert refusal(response) == (415, "content_encoding_unsupported")
    said = {"file": ("a.png", b"x", "image/png"), "alt_text": (None, "häh".encode("latin-1"), "text/plain; charset=latin-1")}  # fmt: skip
    problem = refused(api.http.post("/api/v1/media", files=said, headers=token), 422, "invalid")
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/alt_text", "encoding")]
    for good in ("application/json; charset=UTF-8", 'application/json; charset="utf-8"'):
        assert done(
            api.http.post("/api/v1/posts", content=body, headers={**token, "Content-Type": good}), 201
        )


@ONE
@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("POST", "/api/v1/posts", b'{"text": "one", "text": "two"}', "/text"),
        ("POST", "/api/v1/posts", b'{"text": "one", "visibility": "public", "\\u0074ext": "two"}', "/text"),
        ("PATCH", "/api/v1/me", b'{"bio": "a", "bio": "a"}', "/bio"),
        ("POST", "/api/v1/auth/login", b'{"login": "a", "password": "b", "password": "c"}', "/password"),
        ("POST", "/api/v1/media/uploads", b'{"bytes": 1, "type": "image/png", "focal_point": {"x": 0, "x": 1, "y": 0}}', "/focal_point/x"),
    ],
)  # fmt: skip
def test_a_duplicate_member_is_refused(api: Api, method: str, path: str, body: bytes, pointer: str) -> None:
    maya = api.someone()
    headers = {
        "Authorization": f"Bearer {maya.tokens['access_token']}",
        "Content-Type": "application/json",
    }
    problem = refused(api.http.request(method, path, content=body, headers=headers), 422, "invalid")
    assert (pointer, "duplicate") in {(error["pointer"], error["code"]) for error in problem["errors"]}


@ONE
def test_every_answer_has_a_vary_header(api: Api) -> None:
    maya = api.someone()
    post = done(maya.post("/api/v1/posts", {"text": "hello"}), 201)
    paths = ("/livez", "/readyz", "/nope", "/api/docs", "/api/openapi.json", "/.well-known/jwks.json", "/media/1/x/y.webp")  # fmt: skip
    read = ("/api/v1/me", f"/api/v1/posts/{post['id']}", "/api/v1/feeds/home", "/api/v1/feeds/public", "/api/v1/posts/1")  # fmt: skip
    for origin in ({}, {"Origin": LOCAL}, {"Origin": "https://evil.example"}):
        for path in paths:
            assert "Origin" in varies(api.nobody.get(path, headers=origin)), (path, origin)
        for path in read:
            answers = [maya.get(path, headers=origin), api.nobody.get(path, headers=origin)]
            for answer in answers:
                assert {"Origin", "Authorization", "Accept-Encoding"} <= varies(answer), (path, origin)
                allowed = answer.headers.get("access-control-allow-origin")
                assert allowed == (LOCAL if origin.get("Origin") == LOCAL else None)
    stream = maya.get("/api/v1/stream", headers={"Accept": "text/html"})
    assert {"Accept", "Origin", "Authorization"} <= varies(stream)
    tag = maya.get(f"/api/v1/posts/{post['id']}").headers["etag"]
    assert "Origin" in varies(maya.get(f"/api/v1/posts/{post['id']}", headers={"If-None-Match": tag}))


def varies(response: httpx.Response) -> set[str]:
    assert len(response.headers.get_list("vary")) == 1
    return {name.strip() for name in response.headers["vary"].split(",")}


@ONE
def test_last_event_id_is_allowed_across_origins_and_refusals_are_readable(api: Api) -> None:
    asked = {"Origin": LOCAL, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "last-event-id"}  # fmt: skip
    allowed = api.nobody.request("OPTIONS", "/api/v1/stream", headers=asked)
    assert allowed.status_code == 204
    assert "last-event-id" in allowed.headers["access-control-allow-headers"].lower()

    for change in (
        {"Origin": "https://evil.example"},
        {"Access-Control-Request-Method": "TRACE"},
        {"Access-Control-Request-Headers": "x-odd"},
    ):
        answer = api.nobody.request("OPTIONS", "/api/v1/posts", headers=asked | change)
        assert refusal(answer) == (400, "cors_refused")
        assert "Origin" in varies(answer)


@ONE
def test_data_and_pages_have_content_security_policies(api: Api) -> None:
    maya = api.someone()
    for answer in (maya.get("/api/v1/me"), api.nobody.get("/nope"), api.nobody.get("/livez"), api.nobody.get("/api/openapi.json")):  # fmt: skip
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    page = api.nobody.get("/api/docs").headers["content-security-policy"]
    assert "script-src 'self'" in page
    assert "frame-ancestors 'none'" in page


@pytest.fixture
def long_post(api: Api) -> tuple[Any, str]:
    maya = api.someone()
    post_id = done(maya.post("/api/v1/posts", {"text": "wäggle dänce " * 35}), 201)["id"]

    def is_counted() -> None:
        assert done(maya.get("/api/v1/me"))["counts"]["posts"] == 1

    eventually(is_counted)  # it changes the ETag of /me
    return maya, post_id


@ONE
@pytest.mark.parametrize("change", ["{}", "W/{}", "{}-gzip", "W/{}-gzip", "{};gzip", "{}--gzip", '"other", {}', "{} , W/{}"])  # fmt: skip
def test_an_etag_changed_by_a_proxy_is_still_recognised(long_post: tuple[Any, str], change: str) -> None:
    maya, post_id = long_post
    path = f"/api/v1/posts/{post_id}"
    tag = maya.get(path, headers={"Accept-Encoding": "identity"}).headers["etag"]

    assert maya.get(path, headers={"If-None-Match": changed(change, tag)}).status_code == 304
    edited = maya.patch(path, {"text": "new"}, headers={"If-Match": changed(change, tag)})
    assert edited.status_code == 200
    response = maya.patch(path, {"text": "newer"}, headers={"If-Match": changed(change, tag)})
    assert refusal(response) == (412, "precondition_failed")
    assert maya.get(path, headers={"If-None-Match": changed(change, tag)}).status_code == 200
    me = maya.get("/api/v1/me").headers["etag"]
    assert maya.get("/api/v1/me", headers={"If-None-Match": changed(change, me)}).status_code == 304
    assert (
        maya.patch("/api/v1/me", {"bio": "b"}, headers={"If-Match": changed(change, me)}).status_code == 200
    )


def changed(change: str, tag: str) -> str:
    """The ETag as a proxy returns it. Suffixes are inside the quotes."""
    suffix = next((suffix for suffix in ("--gzip", "-gzip", ";gzip") if suffix in change), "")
    return (
        change.replace(suffix, "").replace("{}", tag[:-1] + suffix + '"')
        if suffix
        else change.replace("{}", tag)
    )


@ONE
def test_answers_are_compressed_on_request_and_their_etags_are_accepted(
    api: Api, long_post: tuple[Any, str]
) -> None:
    maya, post_id = long_post
    done(maya.patch("/api/v1/me", {"bio": "waggle " * 60}))
    path, token = f"/api/v1/posts/{post_id}", {"Authorization": f"Bearer {maya.tokens['access_token']}"}
    plain = api.http.get(path, headers={**token, "Accept-Encoding": "identity"})
    tag = plain.headers["etag"]
    for accepted, coding, decompress in (
        ("gzip", "gzip", gzip.decompress),
        ("zstd", "zstd", zstd.decompress),
        ("gzip, deflate, br, zstd", "zstd", zstd.decompress),
        ("zstd;q=0.1, gzip;q=0.9", "gzip", gzip.decompress),
    ):
        answer = exchange(api.base_url, "GET", path, [*token.items(), ("Accept-Encoding", accepted)])
        assert answer.headers["content-encoding"] == coding
        assert decompress(answer.body) == plain.content
        assert answer.headers["etag"] == f"W/{tag}"
        assert int(answer.headers["content-length"]) == len(answer.body) < len(plain.content)
        again = exchange(
            api.base_url,
            "GET",
            path,
            [*token.items(), ("Accept-Encoding", accepted), ("If-None-Match", answer.headers["etag"])],
        )
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", f"W/{tag}")
    for accepted in ("gzip;q=0", "identity", "br", "*;q=0", ""):
        answer = exchange(api.base_url, "GET", path, [*token.items(), ("Accept-Encoding", accepted)])
        assert "content-encoding" not in answer.headers
        assert answer.body == plain.content
    head = exchange(api.base_url, "HEAD", path, [*token.items(), ("Accept-Encoding", "gzip")])
    assert (head.status, head.headers["content-encoding"]) == (200, "gzip")


@ONE
def test_answers_with_tokens_and_small_answers_are_not_compressed(api: Api) -> None:
    maya = api.someone()
    headers = [("Accept-Encoding", "gzip, zstd"), ("Content-Type", "application/json")]
    body = json.dumps({"login": maya.username, "password": maya.password}).encode()
    logged_in = exchange(api.base_url, "POST", "/api/v1/auth/login", headers, body)
    assert logged_in.status == 200
    assert "content-encoding" not in logged_in.headers
    assert "content-encoding" not in exchange(api.base_url, "GET", "/livez", headers).headers
    assert exchange(api.base_url, "GET", "/api/openapi.json", headers).headers["content-encoding"] == "zstd"


def test_idempotency_keys_of_anonymous_clients_do_not_collide(api: Api) -> None:
    key = {"Idempotency-Key": "1"}
    bodies = [
        {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        for name in (fresh_name(), fresh_name())
    ]
    first, second = (api.nobody.post("/api/v1/auth/register", body, headers=key) for body in bodies)
    again = api.nobody.post("/api/v1/auth/register", bodies[0], headers=key)

    assert [first.status_code, second.status_code, again.status_code] == [201, 201, 201]
    assert first.json()["user"]["id"] != second.json()["user"]["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["user"]["id"] == first.json()["user"]["id"]
    login = {"login": bodies[0]["username"], "password": "wrong " + PASSWORD}
    assert api.nobody.post("/api/v1/auth/login", login, headers=key).status_code == 401
