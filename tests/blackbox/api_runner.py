"""Sends the actions of `api_model.py` over HTTP, and translates the answers to the model's labels."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from .api_model import ApiModel
from .api_state import Action, Verdict, text_of
from .client import PASSWORD, Api, Json, Visitor, eventually, fresh_key

ROUTES = {
    "register": "POST /api/v1/auth/register",
    "log_in": "POST /api/v1/auth/login",
    "log_out": "POST /api/v1/auth/logout",
    "end_sessions": "POST /api/v1/auth/logout-all?keep_current={keep_current}",
    "read_sessions": "GET /api/v1/auth/sessions",
    "refresh": "POST /api/v1/auth/refresh",
    "read_me": "GET /api/v1/me",
    "edit_me": "PATCH /api/v1/me",
    "profile": "GET /api/v1/users/{on}",
    "make_private": "PATCH /api/v1/me",
    "leave": "DELETE /api/v1/me",
    "publish": "POST /api/v1/posts",
    "comment": "POST /api/v1/posts/{on}/comments",
    "publish_again": "",
    "remove": "DELETE /api/v1/posts/{on}",
    "engage": "PUT /api/v1/posts/{on}/{what}",
    "disengage": "DELETE /api/v1/posts/{on}/{what}",
    "pin": "PUT /api/v1/posts/{on}/pin",
    "unpin": "DELETE /api/v1/posts/{on}/pin",
    "edit": "PATCH /api/v1/posts/{on}",
    "history": "GET /api/v1/posts/{on}/history",
    "batch": "GET /api/v1/posts?ids={posts}",
    "context": "GET /api/v1/posts/{on}/context",
    "read": "GET /api/v1/posts/{on}",
    "comments": "GET /api/v1/posts/{on}/comments",
    "posts_of": "GET /api/v1/users/{on}/posts",
    "pinned_posts_of": "GET /api/v1/users/{on}/posts?pinned=true",
    "engaged_users": "GET /api/v1/posts/{on}/{what}s",
    "engaged_posts": "GET /api/v1/me/{what}s",
}
PAGES = {
    "comments",
    "posts_of",
    "pinned_posts_of",
    "engaged_users",
    "engaged_posts",
    "read_sessions",
    "history",
}
FOLLOW = {"profile", "read_me"}
"""Reads whose count of posts follows later, by the relay."""


class Mismatch(AssertionError):
    """The server and the model disagree."""


@dataclass
class ApiRunner:
    """A server, and a model of it. Usernames carry a salt, so that runs do not collide on one server."""

    api: Api
    model: ApiModel = field(default_factory=ApiModel)
    salt: str = field(default_factory=lambda: f"w{secrets.token_hex(5)}")
    ids: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, list[Json]] = field(default_factory=dict)
    tags: dict[tuple[str | None, str], tuple[str, Json]] = field(default_factory=dict)
    """By session and address: the ETag and the body that a client caches."""
    first_tags: dict[str, str] = field(default_factory=dict)
    sent: dict[str, tuple[str, str, Json, dict[str, str]]] = field(default_factory=dict)

    def step(self, action: Action) -> Verdict | None:
        """Apply the action to the model and the server, and compare. Raises Mismatch."""
        expected = self.model.expect(action)
        if expected is None or expected[0] == 0:
            return None
        do = getattr(self, f"_{action.kind}", self._do)
        seen: list[Verdict] = []

        def compare() -> None:
            found = do(action)
            seen.append((found[0], known_part(expected[1], found[1])))
            if seen[-1] != expected:
                raise Mismatch("\n  ".join([str(action), *differences(expected, seen[-1])]))

        if action.retried or action.kind in FOLLOW:
            eventually(compare)
        else:
            compare()
        return seen[-1]

    # --- One request ------------------------------------------------------------------------------

    def _do(self, action: Action, body: Json | None = None, headers: dict[str, str] | None = None) -> Verdict:
        method, path = self._address(action)
        if action.kind in PAGES:
            return self._walked(action, path)
        headers = dict(headers or {})
        kept = self.tags.get((action.by, path)) if method == "GET" else None
        if kept is not None:
            headers["If-None-Match"] = kept[0]
        response = self._ask(action, method, path, json=body, headers=headers)
        if response.status_code == 304 and kept is not None:
            return 200, self.abstract(kept[1])
        if method == "GET" and response.status_code == 200 and "etag" in response.headers:
            self.tags[action.by, path] = (response.headers["etag"], response.json())
        return self._verdict(response)

    def _walked(self, action: Action, path: str) -> Verdict:
        """The items of all pages."""
        path, _, query = path.partition("?")  # httpx would drop it
        pinned = dict([query.split("=")]) if query else {}
        items: list[Json] = []
        cursor: str | None = None
        while True:
            params = {"limit": action.how["limit"], **pinned} | ({"cursor": cursor} if cursor else {})
            response = self._ask(action, "GET", path, params=params)
            if response.status_code != 200:
                return self._verdict(response)
            page = response.json()
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return 200, self.abstract(items)

    def _address(self, action: Action) -> list[str]:
        """The method and the path."""
        how = {name: str(value).lower() for name, value in action.how.items()}
        how["posts"] = ",".join(self.ids[label] for label in action.how.get("posts", ()))
        return ROUTES[action.kind].format(on=self.ids.get(str(action.on)), **how).split(" ")

    def _ask(self, action: Action, method: str, path: str, **options: Any) -> httpx.Response:
        headers = options.pop("headers", None) or {}
        if action.by is not None:
            headers["Authorization"] = f"Bearer {self.tokens[action.by][-1]['access_token']}"
        return Visitor(self.api.http).request(method, path, headers=headers, **options)

    def _verdict(self, response: httpx.Response) -> Verdict:
        body = response.json() if response.content else {}
        return response.status_code, body["code"] if response.status_code >= 400 else self.abstract(body)

    # --- Actions that need more than their address ---------------------------------------------------

    def _register(self, action: Action) -> Verdict:
        label = f"p{action.number}"
        body = {
            "username": self.username(str(action.on)).title() if action.on else self.username(label),
            "email": f"{self.username(label)}@example.org",
            "password": PASSWORD,
        }
        if "display_name" in action.how:
            body["display_name"] = action.how["display_name"]
        response = self._ask(action, "POST", "/api/v1/auth/register", json=body)
        if response.status_code == 201:
            found = response.json()
            self._learn(label, found["user"]["id"])
            self.tokens[f"s{action.number}"] = [found["tokens"]]
        return self._verdict(response)

    def _log_in(self, action: Action) -> Verdict:
        password = PASSWORD if action.how["right"] else PASSWORD[::-1]
        body = {"login": self.username(str(action.on)), "password": password}
        response = self._ask(action, "POST", "/api/v1/auth/login", json=body)
        if response.status_code == 200:
            self.tokens[f"s{action.number}"] = [response.json()["tokens"]]
        return self._verdict(response)

    def _refresh(self, action: Action) -> Verdict:
        tokens = self.tokens[str(action.on)]
        token = tokens[-1]["refresh_token"]
        response = self._ask(action, "POST", "/api/v1/auth/refresh", json={"refresh_token": token})
        if response.status_code == 200:
            tokens.append(response.json())
        return self._verdict(response)

    def _edit_me(self, action: Action) -> Verdict:
        headers = {}
        if action.how["tag"] is not None and action.by is not None:
            tag = self._ask(action, "GET", "/api/v1/me").headers.get("etag", '"1.0123456789abcdef"')
            headers["If-Match"] = re.sub(r'"\d+', '"1', tag) if action.how["tag"] == "first" else tag
        return self._do(action, {"bio": action.how["bio"]}, headers)

    def _make_private(self, action: Action) -> Verdict:
        verdict = self._do(action, {"private": action.how["private"]})
        if verdict[0] == 200:
            self._until_hidden(action.how["probe"], hidden=action.how["private"])
        return verdict

    def _leave(self, action: Action) -> Verdict:
        """Waits until everything that belonged to the account is deleted, which follows later."""
        person = self.model.sessions[action.by].person.label if action.by else "nobody"
        params = {"confirm": self.username(person) if action.by and action.how["sure"] else f"not_{person}"}
        verdict = self._verdict(self._ask(action, "DELETE", "/api/v1/me", params=params))
        if verdict[0] == 204:
            for post in self.model.posts.values():
                by = next(
                    (
                        one.label
                        for one in self.model.sessions.values()
                        if one.alive and self.model.can_see(one.person, post)
                    ),
                    None,
                )
                self.step(Action(action.number, "read", by, post.label, retried=True))
                self.step(Action(action.number, "comments", by, post.label, {"limit": 100}, retried=True))
        return verdict

    def _until_hidden(self, post: str, *, hidden: bool) -> None:
        """The posts module gets the change by the relay."""

        def check() -> None:
            status = Visitor(self.api.http).get(f"/api/v1/posts/{self.ids[post]}").status_code
            assert status == (404 if hidden else 200)

        eventually(check)

    def _edit(self, action: Action) -> Verdict:
        headers = {}
        if action.how["tag"] is not None:
            tag = self._ask(action, "GET", f"/api/v1/posts/{self.ids[str(action.on)]}").headers.get(
                "etag", '"1.0123456789abcdef"'
            )
            headers["If-Match"] = re.sub(r'"\d+', '"1', tag) if action.how["tag"] == "first" else tag
        return self._do(action, {"text": self.text_of(action)}, headers)

    def _publish(self, action: Action) -> Verdict:
        label = f"post{action.number}"
        body = {"text": self.text_of(action)} | {
            name: value for name in ("content_warning", "language") if (value := action.how.get(name))
        }
        if action.how["visibility"]:
            body["visibility"] = action.how["visibility"]
        method, path = self._address(action)
        if action.kind == "publish" and action.on:
            body["reply_to"] = self.ids[action.on]
        headers = {"Idempotency-Key": fresh_key()}
        response = self._ask(action, method, path, json=body, headers=dict(headers))
        if response.status_code == 201:
            self._learn(label, response.json()["id"])
            self.sent[label] = (method, path, body, headers)
        return self._verdict(response)

    _comment = _publish

    def _publish_again(self, action: Action) -> Verdict:
        method, path, body, headers = self.sent[str(action.on)]
        response = self._ask(action, method, path, json=body, headers=dict(headers))
        assert response.status_code != 201 or response.headers["idempotency-replayed"] == "true"
        return self._verdict(response)

    # --- Names --------------------------------------------------------------------------------------

    def text_of(self, action: Action) -> str:
        """The text with real usernames."""
        return re.sub("@(?=p[0-9])", f"@{self.salt}", text_of(action))

    def username(self, label: str) -> str:
        return f"{self.salt}{label}"

    def _learn(self, label: str, id_: str) -> None:
        self.ids[label], self.labels[id_] = id_, label

    def abstract(self, value: Any) -> Any:
        """An answer, with labels instead of ids and names."""
        if isinstance(value, dict):
            return {
                name: "then" if name == "edited_at" and inner else self.abstract(inner)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.abstract(inner) for inner in value]
        if isinstance(value, str):
            return self.labels.get(value) or value.replace(self.salt, "")
        return value


def known_part(expected: Any, found: Any) -> Any:
    """`found` without the members that the model does not have."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return {name: known_part(expected[name], found[name]) for name in expected if name in found}
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [known_part(one, other) for one, other in zip(expected, found, strict=True)]
    return found


def differences(expected: Any, found: Any, place: str = "") -> list[str]:
    """The places where the two differ, and how."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        return [
            one for name in expected for one in differences(expected[name], found[name], f"{place}/{name}")
        ]
    if (
        isinstance(expected, list | tuple)
        and isinstance(found, type(expected))
        and len(expected) == len(found)
    ):
        pairs = enumerate(zip(expected, found, strict=True))
        return [one for number, pair in pairs for one in differences(*pair, f"{place}/{number}")]
    return [] if expected == found else [f"{place}: the model has {expected!r}, the server {found!r}"]
