"""Access is denied by default: which routes are open without a token, and that no invalid token or odd path opens more."""

import json
from collections.abc import Iterator

import pytest

from .client import Api, refusal
from .contract import operations
from .wire import check, exchange

pytestmark = pytest.mark.short_run_shapes("embedded")

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
    "GET /startupz": "public",
    "GET /.well-known/jwks.json": "public",
}
"""Every route. A new route must be added here with the access that it allows."""

PAGES = ("/", "/api/docs", "/api/errors", "/api/openapi.json", "/api/asyncapi.json")
"""Public too, but not part of the OpenAPI document: they are the documentation."""


def test_every_route_has_its_expected_access(api: Api) -> None:
    assert {operation.name: operation.access for operation in operations(api)} == ACCESS


def test_without_a_token_only_the_open_routes_answer(api: Api) -> None:
    for operation in operations(api):
        response = api.nobody.request(operation.method, operation.at(), json=operation.body)
        if operation.access == "token":
            assert refusal(response) == (401, "token_missing")
            assert response.headers["www-authenticate"] == 'Bearer realm="waggle"'
        else:
            assert response.json().get("code") not in {"token_missing", "invalid_token"}, operation.name


def test_an_invalid_token_is_refused_on_every_route_that_reads_tokens(api: Api) -> None:
    for operation in operations(api):
        bad = {"Authorization": "Bearer nonsense"}
        response = api.nobody.request(operation.method, operation.at(), json=operation.body, headers=bad)
        if operation.access == "public":
            assert response.status_code != 401 or response.json()["code"] != "invalid_token", operation.name
        else:
            assert refusal(response) == (401, "invalid_token")


def test_the_token_is_checked_before_the_body_and_the_ids(api: Api) -> None:
    """Without a login the answer is the same for an invalid body and for an unknown id."""
    for operation in operations(api):
        if operation.access != "token":
            continue
        for body in (b"", b"{", b"[]", b'{"surprise": 1}', b"x" * 100_000):
            sent = {"content": body, "headers": {"Content-Type": "text/plain"}}
            response = api.nobody.request(operation.method, operation.at(), **sent)
            assert refusal(response) == (401, "token_missing")


def test_head_needs_the_same_token_as_get(api: Api) -> None:
    for operation in operations(api):
        if operation.method == "GET":
            expected = api.nobody.get(operation.at()).status_code
            assert api.nobody.request("HEAD", operation.at()).status_code == expected


def test_the_documentation_pages_are_open(api: Api) -> None:
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


def test_no_spelling_of_a_path_bypasses_the_token(api: Api) -> None:
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
def test_no_suffix_of_a_path_bypasses_the_token(api: Api, tail: str) -> None:
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
def test_only_the_assets_are_served_as_files(api: Api, target: str) -> None:
    answer = check(exchange(api.base_url, "GET", target))
    assert answer.status in {400, 404}
    assert b"root:" not in answer.body
    assert b"import" not in answer.body


def test_a_token_is_read_from_the_header_only(api: Api) -> None:
    maya = api.someone()
    token = maya.tokens["access_token"]
    for sent in (
        {"params": {"access_token": token}},
        {"params": {"token": token}},
        {"headers": {"Cookie": f"access_token={token}; Authorization=Bearer {token}"}},
        {"headers": {"X-Authorization": f"Bearer {token}"}},
        {"headers": {"Proxy-Authorization": f"Bearer {token}"}},
    ):
        assert refusal(api.nobody.get("/api/v1/me", **sent)) == (401, "token_missing")


def test_the_bearer_scheme_is_accepted_in_any_case(api: Api) -> None:
    maya = api.someone()
    token = maya.tokens["access_token"]
    for scheme in ("Bearer", "bearer", "BEARER"):
        response = api.nobody.get("/api/v1/me", headers={"Authorization": f"{scheme} {token}"})
        assert response.status_code == 200, scheme
