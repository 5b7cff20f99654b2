"""A client for the black-box tests. It knows HTTP, JSON and the contract, and none of Waggle's code.

Every answer to a `Visitor` or a `Member` is checked against the general rules of the API: never a 5xx, problem details for
every refusal, and ids and times in their only format.
"""

import itertools
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import httpx

from .secrets_seen import remember

T = TypeVar("T")
Json = dict[str, Any]

ID = re.compile(r"[1-9][0-9]{0,18}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PROBLEM = "application/problem+json"
LEAKS = re.compile(
    r"Expected `|`\$\.|regex|\bEnum\b|\b(str|int|bool|float|dict)\b|"  # internal types and expressions
    r"Traceback|asyncpg|sqlite|psycopg|sqlalchemy|litestar|msgspec|uvicorn|site-packages|\.py\b|SELECT |INSERT |postgres",
    re.IGNORECASE,
)
POINTER = re.compile(r"(/([^~]|~[01])*)?", re.DOTALL)
"""RFC 6901."""
PASSWORD = "correct horse battery"

_numbers = itertools.count()


def fresh_name() -> str:
    """An unused username, also on a server that other test runs have used."""
    return f"t{secrets.token_hex(5)}{next(_numbers)}"


def fresh_key() -> str:
    return secrets.token_hex(16)


def eventually(check: Callable[[], T], seconds: float = 45.0) -> T:
    """Repeat `check` until it raises no AssertionError: for results that event handlers bring about later."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.02)


def value_once(read: Callable[[], T], expected: T, seconds: float = 45.0) -> T:
    """The value of `read` as soon as it is `expected`, and after `seconds` whatever it is: for tests to assert."""

    def check() -> None:
        assert read() == expected

    with suppress(AssertionError):
        eventually(check, seconds)
        return expected
    return read()


def check_answer(response: httpx.Response) -> None:
    """Check the general rules for every answer of the server."""
    about = (
        f"{response.request.method} {response.request.url} -> {response.status_code} {response.text[:500]!r}"
    )
    assert response.status_code < 500, about
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", response.headers["x-request-id"]), about
    assert response.headers["x-content-type-options"] == "nosniff", about
    assert "server" not in response.headers, about
    if response.request.url.path.startswith(
        "/api/v1/"
    ):  # answers for one user must not be cached for another
        assert re.search("no-store|private", response.headers.get("cache-control", "")), about
    if response.status_code >= 400 and response.request.method != "HEAD":
        check_problem(response)
    elif "/api/v1/" in response.request.url.path and response.content:
        check_forms(response.json())


def check_problem(response: httpx.Response) -> None:
    about = (
        f"{response.request.method} {response.request.url} -> {response.status_code} {response.text[:500]!r}"
    )
    assert response.headers["content-type"] == PROBLEM, about
    body = response.json()
    assert body["status"] == response.status_code, about
    assert body["request_id"] == response.headers["x-request-id"], about
    assert body["type"] == f"/api/errors#{body['code']}", about
    assert body["title"], about
    assert body["detail"], about
    assert set(body) <= {"type", "title", "status", "detail", "code", "request_id", "errors"}, about
    assert not LEAKS.search(response.text), about
    for error in body.get("errors", []):
        assert set(error) == {"pointer", "code", "detail"}, about
        assert POINTER.fullmatch(error["pointer"]), about
    if response.status_code == 401:
        assert response.headers["www-authenticate"].startswith("Bearer "), about
    if response.status_code == 405:
        assert response.headers["allow"], about
    if response.status_code in {429, 503}:
        assert int(response.headers["retry-after"]) >= 0, about


def check_forms(value: Any, name: str = "") -> None:
    """Check everywhere in `value` that ids are decimal strings and times have three fractional digits."""
    if isinstance(value, dict):
        for member, inner in value.items():
            check_forms(inner, member)
    elif isinstance(value, list):
        for inner in value:
            check_forms(inner, name)
    elif name in {"id", "reply_to"} or (name.endswith("_id") and name != "request_id"):
        assert value is None or ID.fullmatch(value), (name, value)
    elif name.endswith("_at"):
        assert value is None or TIME.fullmatch(value), (name, value)


def refusal(response: httpx.Response) -> tuple[int, str]:
    """The status and the error code of a refusal. Of any other answer, the beginning of its body instead of a code."""
    is_problem = response.headers.get("content-type") == PROBLEM
    return response.status_code, response.json()["code"] if is_problem else response.text[:500]


def refused(response: httpx.Response, status: int, code: str) -> Json:
    """The problem details of a refusal, which must have this status and code."""
    assert response.status_code == status, response.text
    problem: Json = response.json()
    assert problem["code"] == code, response.text
    return problem


def field_errors(response: httpx.Response) -> dict[str, str]:
    """The error code of each JSON pointer in a refusal."""
    return {error["pointer"]: error["code"] for error in refused(response, 422, "invalid")["errors"]}


def done(response: httpx.Response, status: int = 200) -> Json:
    """The body of an answer that must have succeeded."""
    assert response.status_code == status, (
        f"{response.request.method} {response.request.url}: {response.text}"
    )
    body: Json = response.json() if response.content else {}
    return body


@dataclass
class Codes:
    """The error codes that each operation may answer with, according to the server's OpenAPI document."""

    base_url: str

    def check(self, response: httpx.Response) -> None:
        """Check that the operation names the code of a refusal for its status. Other paths are not checked."""
        path = response.request.url.raw_path.decode().partition("?")[0]
        code, status = response.json()["code"], response.status_code
        for name, method, pattern, allowed in self._operations:
            if method == response.request.method and pattern.fullmatch(path):
                if code in {
                    "not_found",
                    "method_not_allowed",
                }:  # the answer of another route, such as /media/uploads
                    return
                named = allowed.get(str(status), set())
                assert code in named, f"{name} answers {status} {code}: name the error in its policy()"
                return

    @cached_property
    def _operations(self) -> list[tuple[str, str, re.Pattern[str], dict[str, set[str]]]]:
        # A server that starts answers 503 first. That is no document.
        document = done(httpx.get(f"{self.base_url}/api/openapi.json", timeout=60))
        # Literal segments come first: /users/available does not match /users/{user_id}.
        return [
            (
                f"{method.upper()} {path}",
                method.upper(),
                re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))),
                {
                    status: set(answer["content"][PROBLEM]["examples"])
                    for status, answer in operation["responses"].items()
                    if int(status) >= 400 and PROBLEM in answer["content"]
                },
            )
            for path, methods in sorted(document["paths"].items(), key=lambda item: item[0].count("{"))
            for method, operation in methods.items()
        ]


@dataclass
class Visitor:
    """A client without a token."""

    http: httpx.Client

    def headers(self) -> dict[str, str]:
        return {}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = self.headers() | (options.pop("headers", None) or {})
        return self.http.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self.request("POST", path, json=json, **options)

    def patch(self, path: str, json: Any, **options: Any) -> httpx.Response:
        return self.request("PATCH", path, json=json, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def reads(self, post: Json) -> Json:
        return done(self.get(f"/api/v1/posts/{post['id']}"))

    def sees(self, post: Json) -> bool:
        """Whether this client sees the post. A hidden post must be refused like one that does not exist."""
        response = self.get(f"/api/v1/posts/{post['id']}")
        if response.status_code == 404:
            refused(response, 404, "post_not_found")
            return False
        done(response)
        return True

    def all_items(
        self, path: str, limit: int = 100, towards: str = "next", cursor: str | None = None
    ) -> list[Json]:
        """The items of all pages, in order."""
        return [item for page in self.pages(path, limit, towards, cursor) for item in page["items"]]

    def pages(
        self, path: str, limit: int, towards: str = "next", cursor: str | None = None
    ) -> Iterator[Json]:
        while True:
            page = done(self.get(path, params={"limit": limit} | ({"cursor": cursor} if cursor else {})))
            assert len(page["items"]) <= limit
            yield page
            cursor = page[towards]
            if cursor is None:
                return


@dataclass
class Member(Visitor):
    """A client that is logged in."""

    user: Json = field(default_factory=dict)
    tokens: Json = field(default_factory=dict)
    email: str = ""
    password: str = PASSWORD

    @property
    def id(self) -> str:
        return str(self.user["id"])

    @property
    def username(self) -> str:
        return str(self.user["username"])

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def publishes(self, text: str = "The linden trees are in bloom.", **members: Any) -> Json:
        return done(self.post("/api/v1/posts", {"text": text, **members}), 201)

    def publishes_direct(self, text: str = "Psst") -> Json:
        """Publishes a direct post to a new user, who plays no other part in the test."""
        name = fresh_name()
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        done(Visitor(self.http).post("/api/v1/auth/register", body), 201)
        return self.publishes(f"{text} @{name}", visibility="direct")

    def comments(self, post: Json, text: str = "So they are.", **members: Any) -> Json:
        return done(self.post(f"/api/v1/posts/{post['id']}/comments", {"text": text, **members}), 201)

    def likes(self, post: Json) -> Json:
        return done(self.put(f"/api/v1/posts/{post['id']}/like"))

    def unlikes(self, post: Json) -> Json:
        return done(self.delete(f"/api/v1/posts/{post['id']}/like"))

    def removes(self, post: Json) -> None:
        done(self.delete(f"/api/v1/posts/{post['id']}"), 204)


@dataclass
class Api:
    """A server and its clients."""

    base_url: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        codes = Codes(self.base_url)

        def check(response: httpx.Response) -> None:
            response.read()
            remember(response)
            check_answer(response)
            if response.status_code >= 400 and response.request.method != "HEAD":
                codes.check(response)

        self.http = httpx.Client(base_url=self.base_url, timeout=60, event_hooks={"response": [check]})

    def close(self) -> None:
        self.http.close()

    @property
    def nobody(self) -> Visitor:
        return Visitor(self.http)

    def registers(self, username: str, email: str | None = None, **members: Any) -> httpx.Response:
        body = {
            "username": username,
            "email": email or f"{username}@example.org",
            "password": PASSWORD,
            **members,
        }
        return self.nobody.post("/api/v1/auth/register", body)

    def someone(self, **members: Any) -> Member:
        """A new member."""
        username = fresh_name()
        body = done(self.registers(username, **members), 201)
        return Member(self.http, body["user"], body["tokens"], f"{username}@example.org")

    def logs_in(self, login: str, password: str = PASSWORD) -> Member:
        body = done(self.nobody.post("/api/v1/auth/login", {"login": login, "password": password}))
        return Member(self.http, body["user"], body["tokens"], password=password)

    def refreshes(self, tokens: Json) -> httpx.Response:
        return self.nobody.post("/api/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
