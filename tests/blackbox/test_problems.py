"""Refused requests are answered with problem details."""

import pytest

from .client import Api, Json, field_errors, refusal, refused
from .contract import BODIES, document, operations
from .wire import check, exchange

pytestmark = pytest.mark.short_run_shapes("embedded")


def test_the_tests_have_a_valid_body_for_every_operation(api: Api) -> None:
    assert {operation.name for operation in operations(api) if operation.takes_json} == set(BODIES)


def test_an_unknown_path_is_not_found(api: Api) -> None:
    for path in (
        "/nope",
        "/api",
        "/api/v1",
        "/api/v2/me",
        "/api/v1/posts/1/nope",
        "/metrics",
        "/schema",
        "/docs",
        "/.env",
        "/.git/config",
    ):
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert refusal(api.nobody.request(method, path)) == (404, "not_found")


def test_an_unknown_method_is_refused_with_the_allowed_ones(api: Api) -> None:
    """IN-6."""
    allowed: dict[str, set[str]] = {}
    for operation in operations(api):
        allowed.setdefault(operation.at(), set()).add(operation.method)
    for path, methods in allowed.items():
        expected = methods | ({"HEAD"} if "GET" in methods else set())
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            response = api.nobody.request(method, path)
            assert refusal(response) == (405, "method_not_allowed")
            assert {name.strip() for name in response.headers["allow"].split(",")} == expected
        response = api.nobody.request("OPTIONS", path)
        assert refusal(response) == (405, "method_not_allowed")
        assert {name.strip() for name in response.headers["allow"].split(",")} == expected
    for method in ("TRACE", "PROPFIND", "FOO", "get", "GET/"):
        assert check(exchange(api.base_url, method, "/api/v1/me")).status in {400, 404, 405}


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    maya = api.someone()
    for operation in operations(api):
        if operation.body is None:
            continue
        body = b'{"text": "' + b"x" * 100_000 + b'"}'
        response = maya.request(
            operation.method, operation.at(), content=body, headers={"Content-Type": "application/json"}
        )
        assert refusal(response) == (413, "body_too_large")


@pytest.mark.parametrize(
    "kind",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "application/json-patch+json", "application/merge-patch+json", "application", "*/*", "text/json", "application/xml", "application/problem+json", "application/json, text/plain"],
)  # fmt: skip
def test_a_body_of_another_content_type_is_refused(api: Api, kind: str | None) -> None:
    """IN-6."""
    maya = api.someone()
    for operation in operations(api):
        if operation.body is None:
            continue
        headers = {} if kind is None else {"Content-Type": kind}
        response = maya.request(operation.method, operation.at(), content=b"{}", headers=headers)
        assert refusal(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
    ],
)
def test_the_json_content_type_is_accepted_in_any_case_and_with_a_charset(api: Api, kind: str) -> None:
    """IN-6."""
    response = api.someone().request(
        "POST", "/api/v1/posts", content='{"text":"é"}'.encode(), headers={"Content-Type": kind}
    )
    assert response.status_code == 201
    assert response.json()["text"] == "é"


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b"}", b"{]", b'{"text": "x"', b"{'text': 'x'}", b'{"text": "x",}', b'{"text": "x"} x', b"\xff\xfe", b'\xef\xbb\xbf{"text": "x"}', b'{"text": "\xff"}', b"nope", b'{"text": "\x01"}']
)  # fmt: skip
def test_invalid_json_is_refused(api: Api, body: bytes) -> None:
    maya = api.someone()
    for operation in operations(api):
        if operation.body is None:
            continue
        response = maya.request(
            operation.method, operation.at(), content=body, headers={"Content-Type": "application/json"}
        )
        assert refusal(response) == (400, "body_malformed")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true", b"[{}]"])
def test_a_body_that_is_not_an_object_is_refused(api: Api, body: bytes) -> None:
    maya = api.someone()
    for operation in operations(api):
        if operation.body is None:
            continue
        response = maya.request(
            operation.method, operation.at(), content=body, headers={"Content-Type": "application/json"}
        )
        assert field_errors(response) == {"": "type"}  # the whole body (RFC 6901)


def test_unknown_members_are_refused_by_name(api: Api) -> None:
    maya = api.someone()
    for operation in operations(api):
        body = operation.body
        if body is None:
            continue
        extra = {"surprise": 1, "Text": "x", "__proto__": {}, "": None}
        response = maya.request(operation.method, operation.at(), json=body | extra)
        assert field_errors(response) == {f"/{name}": "unknown" for name in extra}


def test_pointers_are_escaped_as_in_rfc_6901(api: Api) -> None:
    response = api.someone().post("/api/v1/posts", {"text": "x", "a/b": 1, "c~d": 1})
    assert field_errors(response) == {"/a~1b": "unknown", "/c~0d": "unknown"}


def test_a_pointer_can_name_a_nested_member(api: Api) -> None:
    maya = api.someone()
    for method, path, body, expected in (
        (
            "POST",
            "/api/v1/media/uploads",
            {"type": "image/png", "bytes": 0, "focal_point": {"x": 2, "z": 1}},
            {
                "/bytes": "type",
                "/focal_point/x": "type",
                "/focal_point/y": "missing",
                "/focal_point/z": "unknown",
            },
        ),
        ("POST", "/api/v1/posts", {"text": "x", "media_ids": ["1", 2]}, {"/media_ids/1": "type"}),
        (
            "PUT",
            "/api/v1/me/notification-preferences",
            {"app": {"like": 1, "a/b": True}, "email": []},
            {"/app/like": "type", "/app/a~1b": "unknown", "/email": "type"},
        ),
    ):
        assert field_errors(maya.request(method, path, json=body)) == expected


def test_a_problem_describes_the_expected_value_in_terms_of_the_contract(api: Api) -> None:
    maya = api.someone()
    bodies: dict[str, Json] = {"text": {"text": 5}, "visibility": {"text": "x", "visibility": "secret"}}
    said = {
        name: maya.post("/api/v1/posts", body).json()["errors"][0]["detail"] for name, body in bodies.items()
    }
    assert said == {
        "text": "text must be a string of at most 8000 characters",
        "visibility": "visibility must be one of public, unlisted, followers, direct or null",
    }
    for path, params, detail in (
        ("/api/v1/feeds/public", {"limit": "x"}, "limit must be a whole number from 1 to 100"),
        ("/api/v1/posts", {"ids": "x"}, "ids must be up to 100 ids, separated by commas"),
        ("/api/v1/search", {"q": "a", "type": "x"}, "type must be one of posts, users, hashtags"),
    ):
        problem = refused(maya.get(path, params=params), 400, "query_invalid")
        assert [fault["detail"] for fault in problem["errors"]] == [detail]
        assert problem["detail"] == detail


def test_invalid_parameters_are_named(api: Api) -> None:
    maya = api.someone()
    page = api.nobody.get("/api/v1/feeds/public").json()
    for path, params, pointers in (
        (f"/api/v1/users/{maya.id}/posts", {"limit": "0"}, ["/query/limit"]),
        (f"/api/v1/users/{maya.id}/posts", {"limit": "many"}, ["/query/limit"]),
        (f"/api/v1/users/{maya.id}/posts", {"limit": "0", "cursor": ""}, ["/query/limit", "/query/cursor"]),
        (f"/api/v1/users/{maya.id}/posts", {"pinned": "true", "reposts": "true"}, ["/query/reposts"]),
        ("/api/v1/feeds/public", {"since": page["prev"], "cursor": page["prev"]}, ["/query/since"]),
        ("/api/v1/users", {}, ["/query/username"]),
        ("/api/v1/users", {"username": ""}, ["/query/username"]),
        ("/api/v1/users", {"username": "x" * 65}, ["/query/username"]),
    ):
        problem = refused(maya.get(path, params=params), 400, "query_invalid")
        assert [fault["pointer"] for fault in problem["errors"]] == pointers
        assert all(fault["detail"] for fault in problem["errors"])


def test_invalid_headers_are_named(api: Api) -> None:
    maya = api.someone()
    for method, path, name, value, body in (
        ("PATCH", "/api/v1/me", "If-Match", "x" * 1001, {}),
        ("GET", "/api/v1/me", "If-None-Match", "x" * 1001, None),
        ("POST", "/api/v1/posts", "Idempotency-Key", "x" * 256, {"text": "x"}),
        ("POST", "/api/v1/posts", "Idempotency-Key", "a b", {"text": "x"}),
    ):
        problem = refused(maya.request(method, path, headers={name: value}, json=body), 400, "query_invalid")
        assert [fault["pointer"] for fault in problem["errors"]] == [f"/header/{name}"]


def test_unknown_query_parameters_are_refused_by_name(api: Api) -> None:
    maya = api.someone()
    expected = {"/query/surprise": "unknown", "/query/_": "unknown", "/query/a~1b~0": "unknown"}
    for operation in operations(api):
        response = maya.request(
            operation.method, f"{operation.at()}?surprise=1&_=17&a%2Fb~=", json=operation.body
        )
        assert field_errors(response) == expected, operation.name


def test_the_routes_without_the_framework_refuse_unknown_parameters_too(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    for path in (f"/api/v1/posts/{post['id']}", "/api/v1/feeds/home"):
        assert maya.get(path).status_code == 200
        assert field_errors(maya.get(path + "?surprise=1")) == {"/query/surprise": "unknown"}


def test_a_repeated_query_parameter_is_refused(api: Api) -> None:
    response = api.nobody.get("/api/v1/feeds/public?limit=1&limit=2")
    assert field_errors(response) == {"/query/limit": "twice"}


def test_a_refusal_without_a_token_does_not_list_the_parameters(api: Api) -> None:
    assert refusal(api.nobody.get("/api/v1/me?surprise=1")) == (401, "token_missing")


# --- Request ids ----------------------------------------------------------------------------------


def test_a_request_id_of_the_client_is_used(api: Api) -> None:
    for id_ in ("x", "a.b-c_D9", "x" * 128):
        for path in ("/livez", "/nope", "/api/v1/me"):
            assert api.nobody.get(path, headers={"X-Request-Id": id_}).headers["x-request-id"] == id_


def test_an_unsafe_request_id_is_replaced(api: Api) -> None:
    for id_ in (
        "",
        "a b",
        "x" * 129,
        "<script>",
        '"',
        "a,b",
        "é".encode(),
        b"\xff",
        "../x",
        "a;b",
        "{}",
        "a\tb",
    ):
        response = api.nobody.get("/nope", headers={"X-Request-Id": id_})
        assert response.headers["x-request-id"] != id_
        assert refusal(response) == (404, "not_found")


def test_every_request_has_its_own_id(api: Api) -> None:
    found = {api.nobody.get("/livez").headers["x-request-id"] for _ in range(50)}
    assert len(found) == 50


# --- Mass assignment ------------------------------------------------------------------------------


def test_a_client_cannot_set_members_of_answers(api: Api) -> None:
    maya = api.someone()
    answered = _answered(api)
    assert {"id", "counts", "created_at", "author", "viewer", "email", "token_type", "version"} <= answered
    for operation in operations(api):
        body = operation.body
        if body is None:
            continue
        for name in sorted(answered - _taken(api, operation.described)):
            for value in ("1", None):
                response = maya.request(operation.method, operation.at(), json=body | {name: value})
                assert field_errors(response) == {f"/{name}": "unknown"}, operation.name
    unchanged = api.nobody.get(f"/api/v1/users/{maya.id}").json()
    assert unchanged == maya.user


def _answered(api: Api) -> set[str]:
    """The members of all answers, and names that such servers often use internally."""
    schemas = document(api)["components"]["schemas"]
    answers = [schema for name, schema in schemas.items() if not name.endswith("In")]
    found = {name for schema in answers for name in schema.get("properties", {})}
    inside = "role admin is_admin verified version author_id user_id password_hash deleted likes comments"
    return found | set(inside.split())


def _taken(api: Api, described: Json) -> set[str]:
    """The members that the operation accepts in its body."""
    body: str = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return set(document(api)["components"]["schemas"][body.rpartition("/")[2]]["properties"])
