"""The descriptions of the server: documents, keys, probes, and what browsers may do."""

import json
import re

import jsonschema_rs
import jwt
import pytest

from .client import Api, done
from .contract import document, operations
from .wire import exchange

pytestmark = pytest.mark.short_run_shapes("embedded")

FOREIGN = "https://elsewhere.example"
LOCAL = ("http://localhost", "http://localhost:5173", "http://127.0.0.1:3000")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def test_the_openapi_document_is_valid_and_complete(api: Api) -> None:
    response = api.nobody.get("/api/openapi.json")
    assert response.headers["content-type"] == "application/json"
    found = done(response)
    assert found["openapi"].startswith("3.1")
    names = [
        operation["operationId"] for methods in found["paths"].values() for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    for ref in re.findall(r'"\$ref": "([^"]*)"', json.dumps(found)):
        assert ref.startswith("#/components/schemas/")
        assert ref.rpartition("/")[2] in found["components"]["schemas"]


def test_the_schemas_of_the_document_are_valid_json_schema(api: Api) -> None:
    found = document(api)
    for name, schema in found["components"]["schemas"].items():
        jsonschema_rs.validator_for(schema | {"components": found["components"]})
        assert {"oneOf", "allOf"} & schema.keys() or schema["type"] in {"object", "string"}, name


def test_every_operation_is_described(api: Api) -> None:
    for operation in operations(api):
        described = operation.described
        assert described["summary"], operation.name
        assert described["tags"], operation.name
        for status, response in described["responses"].items():
            assert response["description"], (operation.name, status)
            assert "X-Request-Id" in response["headers"], (operation.name, status)
            if int(status) >= 400:
                assert set(response["content"]) == {"application/problem+json"}, (operation.name, status)
        if operation.access == "token":
            assert {"401"} <= set(described["responses"])


def test_every_error_code_is_in_the_catalogue(api: Api) -> None:
    catalogue = set(re.findall(r'<tr id="(\w+)"', api.nobody.get("/api/errors").text))
    described = set(re.findall(r'"code": "(\w+)"', json.dumps(document(api))))
    assert described
    assert described <= catalogue
    assert {"not_found", "method_not_allowed", "internal", "overloaded", "deadline_exceeded"} <= catalogue


def test_the_documentation_loads_nothing_from_other_hosts(api: Api) -> None:
    for page in ("/api/docs", "/api/errors"):
        response = api.nobody.get(page)
        assert response.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert not re.search(r"https?:|[\"'(]//", response.text), page
        for asset in re.findall(r'(?:src|href)="(/[^"]*)"', response.text):
            assert api.nobody.get(asset).status_code == 200, asset
    script = api.nobody.get("/api/docs/assets/start.js")
    assert script.headers["content-type"].startswith(("text/javascript", "application/javascript"))
    assert "/api/openapi.json" in script.text
    assert not re.search(r"https?://", script.text)
    assert api.nobody.get("/api/docs/assets/swagger-ui.css").headers["content-type"].startswith("text/css")


def test_the_root_path_redirects_to_the_documentation(api: Api) -> None:
    response = api.nobody.get("/")
    assert (response.status_code // 100, response.headers["location"]) == (3, "/api/docs")


def test_the_probes_report_a_live_and_ready_process(api: Api) -> None:
    for probe in ("/livez", "/readyz"):
        response = api.nobody.get(probe)
        assert done(response)["status"] == "ok"
        assert response.headers["cache-control"] == "no-store"


def test_metrics_are_not_public(api: Api) -> None:
    assert api.nobody.get("/metrics").status_code == 404


def test_an_access_token_can_be_verified_with_the_public_keys(api: Api) -> None:
    maya = api.someone()
    token = maya.tokens["access_token"]
    keys = jwt.PyJWKSet.from_dict(done(api.nobody.get("/.well-known/jwks.json")))
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": header["kid"]}
    claims = jwt.decode(token, keys[header["kid"]], algorithms=["EdDSA"], audience="waggle")
    assert set(claims) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp"}
    assert claims["sub"] == maya.id
    assert claims["exp"] - claims["iat"] == maya.tokens["expires_in"]
    for key in done(api.nobody.get("/.well-known/jwks.json"))["keys"]:
        assert set(key) == {"kty", "crv", "alg", "use", "kid", "x"}, "nothing private"


# --- Browsers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", LOCAL)
@pytest.mark.parametrize("method", METHODS)
def test_local_origins_are_allowed_in_development(api: Api, origin: str, method: str) -> None:
    """AP-5."""
    wanted = "authorization,content-type,idempotency-key,if-match,if-none-match,x-request-id"
    response = api.nobody.request(
        "OPTIONS",
        "/api/v1/posts",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": wanted,
        },
    )
    assert response.status_code in {200, 204}
    assert response.headers["access-control-allow-origin"] == origin
    assert method in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in wanted.split(","))
    assert "access-control-allow-credentials" not in response.headers
    assert "origin" in response.headers["vary"].lower()


@pytest.mark.parametrize(
    "origin", [FOREIGN, "null", "http://localhost.evil.example", "http://evil.example:80/localhost", "https://127.0.0.1.nip.io", "http://localhost:80@evil.example", "http://127x0x0x1", "http://localhost:", "http://xlocalhost"]
)  # fmt: skip
def test_foreign_origins_are_refused(api: Api, origin: str) -> None:
    """AP-5."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = exchange(api.base_url, "OPTIONS", "/api/v1/posts", asked.items())
    assert preflight.status < 500
    assert "access-control-allow-origin" not in preflight.headers
    answer = api.nobody.get("/livez", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers


def test_answers_expose_headers_to_allowed_origins(api: Api) -> None:
    """AP-5."""
    maya = api.someone()
    for response in (
        maya.get("/api/v1/me", headers={"Origin": LOCAL[0]}),
        api.nobody.get("/api/v1/me", headers={"Origin": LOCAL[0]}),
        api.nobody.get("/nope", headers={"Origin": LOCAL[0]}),
    ):
        assert response.headers["access-control-allow-origin"] == LOCAL[0]
        exposed = {
            name.strip().lower() for name in response.headers["access-control-expose-headers"].split(",")
        }
        assert {"etag", "link", "location", "x-request-id", "retry-after", "idempotency-replayed"} <= exposed
        assert {"ratelimit", "ratelimit-policy"} <= exposed
        assert "origin" in response.headers["vary"].lower()
        assert "access-control-allow-credentials" not in response.headers


def test_a_preflight_needs_no_token_and_has_no_effect(api: Api) -> None:
    """AP-5."""
    asked = {"Origin": LOCAL[0], "Access-Control-Request-Method": "GET"}
    for path in ("/api/v1/me", "/api/v1/posts", "/nope"):
        response = api.nobody.request("OPTIONS", path, headers=asked)
        assert response.status_code < 500
        assert b"username" not in response.content


def test_a_login_sets_no_cookie_and_cookies_are_ignored(api: Api) -> None:
    """AP-5."""
    maya = api.someone()
    body = {"login": maya.username, "password": maya.password}
    answer = api.nobody.post("/api/v1/auth/login", body)
    assert done(answer)
    assert "set-cookie" not in answer.headers
    cookie = {"Cookie": f"access_token={maya.tokens['access_token']}"}
    assert api.nobody.get("/api/v1/me", headers=cookie).status_code == 401


def test_answers_have_the_security_headers(api: Api) -> None:
    for path in ("/", "/livez", "/nope", "/api/docs", "/api/v1/me", "/api/openapi.json"):
        headers = api.nobody.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers
        assert "x-powered-by" not in headers
