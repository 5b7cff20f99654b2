"""Refusals: problem details, whatever is wrong."""

import pytest

from .client import Api, Json, field_errors, refused
from .contract import BODIES, document, operations
from .wire import check, exchange

pytestmark = pytest.mark.told_by("embedded")


def test_every_operation_with_a_body_has_a_good_one_here(api: Api) -> None:
    assert {operation.name for operation in operations(api) if operation.takes_json} == set(BODIES)


def test_ap2_an_address_that_is_none_is_not_found(api: Api) -> None:
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
            refused(api.nobody.request(method, path), 404, "not_found")


def test_in6_a_method_that_is_none_is_refused_with_those_that_are(api: Api) -> None:
    allowed: dict[str, set[str]] = {}
    for operation in operations(api):
        allowed.setdefault(operation.at(), set()).add(operation.method)
    for path, methods in allowed.items():
        expected = methods | ({"HEAD"} if "GET" in methods else set())
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            response = api.nobody.request(method, path)
            refused(response, 405, "method_not_allowed")
            assert {name.strip() for name in response.headers["allow"].split(",")} == expected
        response = api.nobody.request("OPTIONS", path)
        refused(response, 405, "method_not_allowed")
        assert {name.strip() for name in response.headers["allow"].split(",")} == expected
    for method in ("TRACE", "PROPFIND", "FOO", "get", "GET/"):
        assert check(exchange(api.base_url, method, "/api/v1/me")).status in {400, 404, 405}


def test_in5_a_body_that_is_too_large_is_refused(api: Api) -> None:
    maya = api.someone()
    for operation in operations(api):
        if operation.body is None:
            continue
        body = b'{"text": "' + b"x" * 100_000 + b'"}'
        response = maya.request(
            operation.method, operation.at(), content=body, headers={"Content-Type": "application/json"}
        )
        refused(response, 413, "body_too_large")


@pytest.mark.parametrize(
    "kind",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "application/json-patch+json", "application/merge-patch+json", "application", "*/*", "text/json", "application/xml", "application/problem+json", "application/json, text/plain"],
)  # fmt: skip
def test_in6_a_body_of_another_kind_is_refused(api: Api, kind: str | None) -> None:
    maya = api.someone()
    for operation in operations(api):
        if operation.body is None:
            continue
        headers = {} if kind is None else {"Content-Type": kind}
        response = maya.request(operation.method, operation.at(), content=b"{}", headers=headers)
        refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
    ],
)
def test_in6_json_is_declared_in_any_case_with_or_without_its_charset(api: Api, kind: str) -> None:
    response = api.someone().request(
        "POST", "/api/v1/posts", content='{"text":"é"}'.encode(), headers={"Content-Type": kind}
    )
    assert response.status_code == 201
    assert response.json()["text"] == "é"


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b"}", b"{]", b'{"text": "x"', b"{'text': 'x'}", b'{"text": "x",}', b'{"text": "x"} x', b"\xff\xfe", b'\xef\xbb\xbf{"text": "x"}', b'{"text": "\xff"}', b"nope", b'{"text": "\x01"}']
)  # fmt: skip
def test_what_is_not_json_is_refused(api: Api, body: bytes) -> None:
    maya = api.someone()
    for operation in operations(api):
        if operation.body is None:
            continue
        response = maya.request(
            operation.method, operation.at(), content=body, headers={"Content-Type": "application/json"}
        )
        refused(response, 400, "body_malformed")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true", b"[{}]"])
def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    maya = api.someone()
    for operation in operations(api):
        if operation.body is None:
            continue
        response = maya.request(
            operation.method, operation.at(), content=body, headers={"Content-Type": "application/json"}
        )
        assert field_errors(response) == {"": "type"}  # the whole body (RFC 6901)


def test_az8_members_that_are_not_described_are_refused_by_name(api: Api) -> None:
    maya = api.someone()
    for operation in operations(api):
        body = operation.body
        if body is None:
            continue
        extra = {"surprise": 1, "Text": "x", "__proto__": {}, "": None}
        response = maya.request(operation.method, operation.at(), json=body | extra)
        assert field_errors(response) == {f"/{name}": "unknown" for name in extra}


def test_a_pointer_names_a_member_as_rfc_6901_has_it(api: Api) -> None:
    response = api.someone().post("/api/v1/posts", {"text": "x", "a/b": 1, "c~d": 1})
    assert field_errors(response) == {"/a~1b": "unknown", "/c~0d": "unknown"}


def test_a_pointer_names_what_is_inside_a_member(api: Api) -> None:
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


def test_a_problem_says_what_is_expected_in_words_of_the_contract(api: Api) -> None:
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


def test_ap2_parameters_that_are_wrong_are_named(api: Api) -> None:
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


def test_ap2_headers_that_are_wrong_are_named(api: Api) -> None:
    maya = api.someone()
    for method, path, name, value, body in (
        ("PATCH", "/api/v1/me", "If-Match", "x" * 1001, {}),
        ("GET", "/api/v1/me", "If-None-Match", "x" * 1001, None),
        ("POST", "/api/v1/posts", "Idempotency-Key", "x" * 256, {"text": "x"}),
        ("POST", "/api/v1/posts", "Idempotency-Key", "a b", {"text": "x"}),
    ):
        problem = refused(maya.request(method, path, headers={name: value}, json=body), 400, "query_invalid")
        assert [fault["pointer"] for fault in problem["errors"]] == [f"/header/{name}"]


def test_az8_query_parameters_that_are_not_described_are_refused_by_name(api: Api) -> None:
    maya = api.someone()
    expected = {"/query/surprise": "unknown", "/query/_": "unknown", "/query/a~1b~0": "unknown"}
    for operation in operations(api):
        response = maya.request(
            operation.method, f"{operation.at()}?surprise=1&_=17&a%2Fb~=", json=operation.body
        )
        assert field_errors(response) == expected, operation.name


def test_az8_the_fast_lane_knows_unknown_parameters_too(api: Api) -> None:
    maya = api.someone()
    post = maya.publishes()
    for path in (f"/api/v1/posts/{post['id']}", "/api/v1/feeds/home"):
        assert maya.get(path).status_code == 200
        assert field_errors(maya.get(path + "?surprise=1")) == {"/query/surprise": "unknown"}


def test_a_query_parameter_that_is_sent_twice_is_refused(api: Api) -> None:
    response = api.nobody.get("/api/v1/feeds/public?limit=1&limit=2")
    assert field_errors(response) == {"/query/limit": "twice"}


def test_a_request_without_a_token_is_not_told_which_parameters_there_are(api: Api) -> None:
    refused(api.nobody.get("/api/v1/me?surprise=1"), 401, "token_missing")


# --- Request ids ----------------------------------------------------------------------------------


def test_a_request_id_is_taken_over(api: Api) -> None:
    for id_ in ("x", "a.b-c_D9", "x" * 128):
        for path in ("/livez", "/nope", "/api/v1/me"):
            assert api.nobody.get(path, headers={"X-Request-Id": id_}).headers["x-request-id"] == id_


def test_a_request_id_that_could_do_harm_is_replaced(api: Api) -> None:
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
        refused(response, 404, "not_found")


def test_every_request_has_an_id_of_its_own(api: Api) -> None:
    found = {api.nobody.get("/livez").headers["x-request-id"] for _ in range(50)}
    assert len(found) == 50


# --- Mass assignment ------------------------------------------------------------------------------


def test_az8_no_member_of_an_answer_can_be_set_by_sending_it(api: Api) -> None:
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
    """The members of all answers, and what such servers often have inside."""
    schemas = document(api)["components"]["schemas"]
    answers = [schema for name, schema in schemas.items() if not name.endswith("In")]
    found = {name for schema in answers for name in schema.get("properties", {})}
    inside = "role admin is_admin verified version author_id user_id password_hash deleted likes comments"
    return found | set(inside.split())


def _taken(api: Api, described: Json) -> set[str]:
    """The members that the operation's body has."""
    body: str = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return set(document(api)["components"]["schemas"][body.rpartition("/")[2]]["properties"])
