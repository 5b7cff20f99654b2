"""The acts of `model.py` done over HTTP, and the answers in the model's labels."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx

from .client import PASSWORD, Api, Json, Visitor, eventually, fresh_key
from .model import Act, Model, Verdict, written

ROUTES = {
    "register": "POST /api/v1/auth/register",
    "log_in": "POST /api/v1/auth/login",
    "log_out": "POST /api/v1/auth/logout",
    "log_out_everywhere": "POST /api/v1/auth/logout-all?keep_current={but_here}",
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
    "mark": "PUT /api/v1/posts/{on}/{what}",
    "take_back": "DELETE /api/v1/posts/{on}/{what}",
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
    "who_marked": "GET /api/v1/posts/{on}/{what}s",
    "what_i_marked": "GET /api/v1/me/{what}s",
}
PAGES = {"comments", "posts_of", "pinned_posts_of", "who_marked", "what_i_marked", "read_sessions", "history"}
FOLLOW = {"profile", "read_me"}
"""Of these, the count of posts follows a moment later."""


class Differs(AssertionError):
    """The server and the model disagree."""


@dataclass
class World:
    """A server on which nobody else has these names."""

    api: Api
    model: Model = field(default_factory=Model)
    salt: str = field(default_factory=lambda: f"w{secrets.token_hex(5)}")
    ids: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, list[Json]] = field(default_factory=dict)
    tags: dict[tuple[str | None, str], tuple[str, Json]] = field(default_factory=dict)
    """What a client keeps of each address, by who asked."""
    first_tags: dict[str, str] = field(default_factory=dict)
    sent: dict[str, tuple[str, str, Json, dict[str, str]]] = field(default_factory=dict)

    def step(self, act: Act) -> Verdict | None:
        """Do it in both worlds; raises Differs."""
        expected = self.model.expect(act)
        if expected is None or expected[0] == 0:
            return None
        do = getattr(self, f"_{act.kind}", self._do)
        seen: list[Verdict] = []

        def compare() -> None:
            found = do(act)
            seen.append((found[0], _as_far_as(expected[1], found[1])))
            if seen[-1] != expected:
                raise Differs("\n  ".join([str(act), *differences(expected, seen[-1])]))

        if act.patient or act.kind in FOLLOW:
            eventually(compare)
        else:
            compare()
        return seen[-1]

    # --- One request ------------------------------------------------------------------------------

    def _do(self, act: Act, body: Json | None = None, headers: dict[str, str] | None = None) -> Verdict:
        method, path = self._address(act)
        if act.kind in PAGES:
            return self._walked(act, path)
        headers = dict(headers or {})
        kept = self.tags.get((act.by, path)) if method == "GET" else None
        if kept is not None:
            headers["If-None-Match"] = kept[0]
        response = self._ask(act, method, path, json=body, headers=headers)
        if response.status_code == 304 and kept is not None:
            return 200, self.abstract(kept[1])
        if method == "GET" and response.status_code == 200 and "etag" in response.headers:
            self.tags[act.by, path] = (response.headers["etag"], response.json())
        return self._verdict(response)

    def _walked(self, act: Act, path: str) -> Verdict:
        """All pages."""
        path, _, query = path.partition("?")  # which httpx would drop
        pinned = dict([query.split("=")]) if query else {}
        items: list[Json] = []
        cursor: str | None = None
        while True:
            params = {"limit": act.how["limit"], **pinned} | ({"cursor": cursor} if cursor else {})
            response = self._ask(act, "GET", path, params=params)
            if response.status_code != 200:
                return self._verdict(response)
            page = response.json()
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return 200, self.abstract(items)

    def _address(self, act: Act) -> list[str]:
        """Method and path."""
        how = {name: str(value).lower() for name, value in act.how.items()}
        how["posts"] = ",".join(self.ids[label] for label in act.how.get("posts", ()))
        return ROUTES[act.kind].format(on=self.ids.get(str(act.on)), **how).split(" ")

    def _ask(self, act: Act, method: str, path: str, **options: Any) -> httpx.Response:
        headers = options.pop("headers", None) or {}
        if act.by is not None:
            headers["Authorization"] = f"Bearer {self.tokens[act.by][-1]['access_token']}"
        return Visitor(self.api.http).request(method, path, headers=headers, **options)

    def _verdict(self, response: httpx.Response) -> Verdict:
        body = response.json() if response.content else {}
        return response.status_code, body["code"] if response.status_code >= 400 else self.abstract(body)

    # --- Acts that need more than their address ---------------------------------------------------

    def _register(self, act: Act) -> Verdict:
        label = f"p{act.number}"
        body = {
            "username": self.named(str(act.on)).title() if act.on else self.named(label),
            "email": f"{self.named(label)}@example.org",
            "password": PASSWORD,
        }
        if "display_name" in act.how:
            body["display_name"] = act.how["display_name"]
        response = self._ask(act, "POST", "/api/v1/auth/register", json=body)
        if response.status_code == 201:
            found = response.json()
            self._learn(label, found["user"]["id"])
            self.tokens[f"s{act.number}"] = [found["tokens"]]
        return self._verdict(response)

    def _log_in(self, act: Act) -> Verdict:
        password = PASSWORD if act.how["right"] else PASSWORD[::-1]
        body = {"login": self.named(str(act.on)), "password": password}
        response = self._ask(act, "POST", "/api/v1/auth/login", json=body)
        if response.status_code == 200:
            self.tokens[f"s{act.number}"] = [response.json()["tokens"]]
        return self._verdict(response)

    def _refresh(self, act: Act) -> Verdict:
        tokens = self.tokens[str(act.on)]
        token = tokens[-1]["refresh_token"]
        response = self._ask(act, "POST", "/api/v1/auth/refresh", json={"refresh_token": token})
        if response.status_code == 200:
            tokens.append(response.json())
        return self._verdict(response)

    def _edit_me(self, act: Act) -> Verdict:
        headers = {}
        if act.how["tag"] is not None and act.by is not None:
            tag = self._ask(act, "GET", "/api/v1/me").headers.get("etag", '"1.0123456789abcdef"')
            headers["If-Match"] = re.sub(r'"\d+', '"1', tag) if act.how["tag"] == "first" else tag
        return self._do(act, {"bio": act.how["bio"]}, headers)

    def _make_private(self, act: Act) -> Verdict:
        verdict = self._do(act, {"private": act.how["private"]})
        if verdict[0] == 200:
            self._until_hidden(act.how["probe"], hidden=act.how["private"])
        return verdict

    def _leave(self, act: Act) -> Verdict:
        """Until all that it takes with it is gone, which follows later."""
        person = self.model.sessions[act.by].person.label if act.by else "nobody"
        params = {"confirm": self.named(person) if act.by and act.how["sure"] else f"not_{person}"}
        verdict = self._verdict(self._ask(act, "DELETE", "/api/v1/me", params=params))
        if verdict[0] == 204:
            for post in self.model.posts.values():
                by = next(
                    (
                        one.label
                        for one in self.model.sessions.values()
                        if one.alive and self.model.sees(one.person, post)
                    ),
                    None,
                )
                self.step(Act(act.number, "read", by, post.label, patient=True))
                self.step(Act(act.number, "comments", by, post.label, {"limit": 100}, patient=True))
        return verdict

    def _until_hidden(self, post: str, *, hidden: bool) -> None:
        """Posts learn of it by the relay."""

        def check() -> None:
            status = Visitor(self.api.http).get(f"/api/v1/posts/{self.ids[post]}").status_code
            assert status == (404 if hidden else 200)

        eventually(check)

    def _edit(self, act: Act) -> Verdict:
        headers = {}
        if act.how["tag"] is not None:
            tag = self._ask(act, "GET", f"/api/v1/posts/{self.ids[str(act.on)]}").headers.get(
                "etag", '"1.0123456789abcdef"'
            )
            headers["If-Match"] = re.sub(r'"\d+', '"1', tag) if act.how["tag"] == "first" else tag
        return self._do(act, {"text": self.written(act)}, headers)

    def _publish(self, act: Act) -> Verdict:
        label = f"post{act.number}"
        body = {"text": self.written(act)} | {
            name: value for name in ("content_warning", "language") if (value := act.how.get(name))
        }
        if act.how["visibility"]:
            body["visibility"] = act.how["visibility"]
        method, path = self._address(act)
        if act.kind == "publish" and act.on:
            body["reply_to"] = self.ids[act.on]
        headers = {"Idempotency-Key": fresh_key()}
        response = self._ask(act, method, path, json=body, headers=dict(headers))
        if response.status_code == 201:
            self._learn(label, response.json()["id"])
            self.sent[label] = (method, path, body, headers)
        return self._verdict(response)

    _comment = _publish

    def _publish_again(self, act: Act) -> Verdict:
        method, path, body, headers = self.sent[str(act.on)]
        response = self._ask(act, method, path, json=body, headers=dict(headers))
        assert response.status_code != 201 or response.headers["idempotency-replayed"] == "true"
        return self._verdict(response)

    # --- Names --------------------------------------------------------------------------------------

    def written(self, act: Act) -> str:
        """With everybody's true names."""
        return re.sub("@(?=p[0-9])", f"@{self.salt}", written(act))

    def named(self, label: str) -> str:
        return f"{self.salt}{label}"

    def _learn(self, label: str, id_: str) -> None:
        self.ids[label], self.labels[id_] = id_, label

    def abstract(self, value: Any) -> Any:
        """What came back, in labels."""
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


def _as_far_as(expected: Any, found: Any) -> Any:
    """What was found, without the members of which the model does not speak."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return {name: _as_far_as(expected[name], found[name]) for name in expected if name in found}
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [_as_far_as(one, other) for one, other in zip(expected, found, strict=True)]
    return found


def differences(expected: Any, found: Any, place: str = "") -> list[str]:
    """Where the two are not the same, and how."""
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
