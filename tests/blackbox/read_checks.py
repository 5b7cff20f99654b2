"""Every read path, requested over HTTP by some viewer and compared with `visibility_model.py`."""

import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from .api_runner import differences, known_part
from .client import Api, Json, Visitor
from .visibility_model import ENGAGEMENTS, ModelPost, Person, Place, VisibilityModel

MOMENT = 1.0
"""Seconds after which no process shows anything that was hidden."""
LATER = 10.0
"""Seconds after which everything is up to date: counts of profiles, home feeds of followers."""
WORDS = ("oak", "oat", "elm")
TAGS = ("ash", "asp", "fir")


class Mismatch(AssertionError):
    """The server and the model disagree."""


@dataclass(frozen=True)
class ExpectedRead:
    """The expected result of one read by one viewer. `{p3}` stands for an id, `~` for the salt of the names."""

    viewer: Person | None
    path: str
    expected: Any
    """The status of a refusal, the items of all pages, or the members of the body that the model has."""
    params: Mapping[str, Any] = field(default_factory=dict)
    soft: bool = False
    """New items may appear a moment later; hidden items must not appear at all."""
    some: bool = False
    """The result may lack items, and have another order than the model."""
    part: str = ""
    """The member of each item that is compared; empty: the whole item."""

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.params.items())
        return f"GET {self.path}{'?' if query else ''}{query} as {self.viewer or 'nobody'}"


@dataclass
class ReadChecker:
    """Reads what the people of `model` see, in whichever of the processes chance picks.

    It has a random generator of its own, since the number of its reads depends on time.
    """

    model: VisibilityModel
    apis: Sequence[Api]
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - no secret
    salt: str = field(default_factory=lambda: f"w{secrets.token_hex(5)}")
    ids: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    tokens: dict[Person, str] = field(default_factory=dict)
    hidden_by: float = 0.0
    """From this moment (monotonic) no hidden item may be shown."""
    settled_by: float = 0.0
    """From this moment everything must equal the model."""
    soft_by: float = 0.0
    """From this moment soft reads must equal the model too."""
    reads: int = 0
    shown: Counter[str] = field(default_factory=Counter)
    """By path: the number of items that the lists have had."""

    def learn(self, label: str, id_: str) -> None:
        self.ids[label], self.labels[id_] = id_, label

    def disturbed(self, hidden: float, settled: float) -> None:
        """Call it after a change. Items that the change hides may still appear for `hidden` seconds, and new ones may take
        `settled` seconds to appear everywhere."""
        now = time.monotonic()
        self.hidden_by = max(self.hidden_by, now + hidden)
        self.settled_by = max(self.settled_by, now + settled)
        self.soft_by = now + LATER

    def check(self, read: ExpectedRead) -> None:
        """Reads until the result is as expected. Raises Mismatch if it still differs after the time allowed for that."""
        self.reads += 1
        while True:
            begun = time.monotonic()
            result = self._result(read)
            expected = _some_of(read.expected, result) if read.some else read.expected
            found = known_part(expected, result)
            shown_too_much = _labels(found) - _labels(expected)
            if found == expected:
                self.shown[read.path] += isinstance(found, list) and len(found)
                return
            settled_by = max(self.settled_by, self.soft_by) if read.soft else self.settled_by
            if begun > (self.hidden_by if shown_too_much else settled_by):
                raise Mismatch("\n  ".join([str(read), *_differences(expected, found)]))
            time.sleep(0.02)

    # --- One read -----------------------------------------------------------------------------------

    def asks(self, api: Api, who: Person | None, method: str, path: str, **options: Any) -> httpx.Response:
        headers = options.pop("headers", {}) | (
            {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        )
        path = path.replace("~", self.salt).format(**self.ids)
        return Visitor(api.http).request(method, path, headers=headers, **options)

    def _result(self, read: ExpectedRead) -> Any:
        api = self.chance.choice(self.apis)
        params = {name: self._true(value) for name, value in read.params.items()}
        if not isinstance(read.expected, list):
            response = self.asks(api, read.viewer, "GET", read.path, params=params)
            return self._found(response)
        items: list[Any] = []
        params["limit"] = self.chance.choice([3, 10, 100, 100])
        while True:
            response = self.asks(api, read.viewer, "GET", read.path, params=params)
            if response.status_code != 200:
                return response.status_code
            page = response.json()
            found = page["items"] if not read.part else [one[read.part] for one in page["items"]]
            items += [one for one in found if one is not None]
            if page.get("next") is None or not (read.some or self._go_on(page["items"])):
                return [self.abstract(item) for item in items if not self._strange(item)]
            params["cursor"] = page["next"]

    def _true(self, value: Any) -> Any:
        """A parameter with real names and ids."""
        value = re.sub(r"\{(\w+)\}", lambda found: self.ids[found[1]], str(value))
        return value.replace("~", self.salt)

    def _go_on(self, items: Sequence[Json]) -> bool:
        """Public feeds contain older posts of other tests: stop before those."""
        oldest = min(int(id_) for id_ in self.labels)
        return all("author" not in item or int(item["id"]) > oldest for item in items)

    def _strange(self, item: Json) -> bool:
        """Whether the item belongs to another test."""
        if "id" in item:
            return item["id"] not in self.labels
        return "tag" in item and self.salt not in item["tag"]

    def _found(self, response: httpx.Response) -> Any:
        return self.abstract(response.json()) if response.status_code == 200 else response.status_code

    def abstract(self, value: Any) -> Any:
        """An answer, with labels instead of ids and names."""
        if isinstance(value, dict):
            found = {name: self.abstract(inner) for name, inner in value.items()}
            if "visibility" in found:
                found["edited_at"] = found["edited_at"] is not None
                found.setdefault("reposted_by", None)
            return found
        if isinstance(value, list):
            return [self.abstract(inner) for inner in value]
        if isinstance(value, str):
            return self.labels.get(value) or value.replace(self.salt, "~")
        return value


def _labels(value: Any) -> set[str]:
    """The labels of the items of a list; for a single resource, that it exists."""
    if isinstance(value, list):
        return {_name(item).partition(" by ")[0] for item in value if "tombstone" not in item}
    if isinstance(value, dict) and "items" in value:
        return _labels(value["items"])
    if isinstance(value, dict) and "descendants" in value:
        return _labels(value["ancestors"]) | _labels(value["descendants"])
    return set() if isinstance(value, int) else {"there"}


def _some_of(expected: Sequence[Json], found: Any) -> list[Json]:
    """Those of the expected items that were found, in the order in which they were found."""
    named = {_name(item): item for item in expected}
    return (
        [named[name] for item in found if (name := _name(item)) in named] if isinstance(found, list) else []
    )


def _differences(expected: Any, found: Any) -> list[str]:
    """The differences; for lists with different items, the items."""
    names = [[_name(item) for item in one] if isinstance(one, list) else one for one in (expected, found)]
    if isinstance(expected, list) and names[0] != names[1]:
        return [f"the model has {names[0]}", f"the server {names[1]}"]
    return differences(expected, found)


def _name(item: Json) -> str:
    by = item.get("reposted_by")
    return str(item.get("id") or item.get("tag") or repr(item["text"])) + (f" by {by['id']}" if by else "")


# --- The reads ---------------------------------------------------------------------------


@dataclass(frozen=True)
class ExpectedReads:
    """The reads of one viewer, with their expected results."""

    model: VisibilityModel
    viewer: Person | None

    def feeds(self) -> Iterator[ExpectedRead]:
        model, viewer = self.model, self.viewer
        if viewer is not None:
            yield self._expect("/api/v1/feeds/home", self._placed(model.home(viewer)), soft=True)
        yield self._expect("/api/v1/feeds/public", self._shown(model.public(viewer)))
        for tag in TAGS:
            yield self._expect(f"/api/v1/feeds/hashtags/~{tag}", self._shown(model.tagged(viewer, tag)))
        yield self._expect("/api/v1/trending/posts", self._shown(model.may_trend(viewer)), some=True)

    def notifications(self) -> Iterator[ExpectedRead]:
        """Notifications must not show hidden people or posts. Other tests check which notifications there must be."""
        model, viewer = self.model, self.viewer
        if viewer is None:
            return
        posts = self._shown([one for one in model.posts.values() if model.can_see(viewer, one)])
        people = [{"id": one.label} for one in model.people_found(viewer)]
        for part, expected in (("post", posts), ("actor", people)):
            yield ExpectedRead(viewer, "/api/v1/notifications", expected, some=True, part=part)

    def finds(self) -> Iterator[ExpectedRead]:
        model, viewer = self.model, self.viewer
        somebody = next(iter(model.people.values()))
        for word in WORDS:
            yield self._search(f"~{word}", self._shown(model.found(viewer, word)))
        for tag in TAGS:
            yield self._search(f"#~{tag}", self._shown(model.found(viewer, tag=tag)))
        yield self._search(f"from:~{somebody.label}", self._shown(model.found(viewer, by=somebody)))
        people = [{"id": one.label} for one in model.people_found(viewer)]
        yield self._search("~p", people, type="users")
        tags = [
            {"tag": f"~{tag}", "posts": uses} for tag, uses in model.tags(viewer).items() if tag[0] == "a"
        ]
        yield self._search("~a", tags, type="hashtags")

    def _search(self, query: str, expected: list[Json], **params: str) -> ExpectedRead:
        params = {"q": query, "type": "posts"} | params
        return ExpectedRead(self.viewer, "/api/v1/search", expected, params)

    def people(self) -> Iterator[ExpectedRead]:
        model, viewer = self.model, self.viewer
        here = [one for one in model.people.values() if not one.gone]
        for person in model.people.values():
            path = f"/api/v1/users/{{{person.label}}}"
            if person.gone:
                for below in ("", "/posts", "/followers"):
                    yield self._expect(f"{path}{below}", 404)
                continue
            yield self._expect(path, model.profile(person), soft=True)
            yield self._expect(f"{path}/posts", self._shown(model.posts_of(viewer, person)))
            with_reposts = self._placed(model.page_of(viewer, person))
            yield self._expect(f"{path}/posts", with_reposts, reposts="true")
            listed = {
                "followers": model.followers(viewer, person),
                "following": model.following(viewer, person),
            }
            for name, people in listed.items():
                shown = [{"id": one.label} for one in people] if model.may_list(viewer, person) else 403
                yield self._expect(f"{path}/{name}", shown)
        if viewer is not None:
            others = [one for one in here if one is not viewer]
            asked = ",".join(f"{{{one.label}}}" for one in others)
            relations = [{"id": one.label, **model.relationship(viewer, one)} for one in others]
            yield self._expect("/api/v1/relationships", {"items": relations}, ids=asked)
            asking = [(number, who) for (who, whom), number in model.requests.items() if whom is viewer]
            shown = [{"id": who.label} for _, who in sorted(asking, key=lambda pair: -pair[0])]
            yield self._expect("/api/v1/me/follow-requests", shown)

    def posts(self, posts: Sequence[ModelPost]) -> Iterator[ExpectedRead]:
        model, viewer = self.model, self.viewer
        for post in posts:
            path, seen = f"/api/v1/posts/{{{post.label}}}", model.can_see(viewer, post)
            yield self._expect(path, self.shown(post) if seen else 404)
            versions = [{"text": text} for text in post.texts]
            yield self._expect(f"{path}/history", versions if seen else 404)
            comments = [self._place(one) for one in model.comments(viewer, post)]
            viewer_context = post.deleted and model.keeps_place(post)
            yield self._expect(f"{path}/comments", comments if seen or viewer_context else 404)
            above = [self._place(one) for one in model.ancestors(post)]
            below = [self._place(one) for one in model.descendants(viewer, post)]
            yield self._expect(f"{path}/context", {"ancestors": above, "descendants": below} if seen else 404)
            for engagement in ("like", "repost"):
                who = [{"id": one.label} for one in model.engaged_users(viewer, post, engagement)]
                yield self._expect(f"{path}/{engagement}s", who if seen else 404)
        asked = ",".join(f"{{{post.label}}}" for post in posts)
        batch = [self.shown(post) for post in posts if model.can_see(viewer, post)]
        yield self._expect("/api/v1/posts", {"items": batch}, ids=asked)
        if viewer is not None:
            for engagement in ("like", "bookmark"):
                yield self._expect(
                    f"/api/v1/me/{engagement}s", self._shown(model.engaged_posts(viewer, engagement))
                )

    def _expect(
        self, path: str, expected: Any, *, soft: bool = False, some: bool = False, **params: str
    ) -> ExpectedRead:
        return ExpectedRead(self.viewer, path, expected, params, soft=soft, some=some)

    # --- Posts --------------------------------------------------------------------------------------

    def shown(self, post: ModelPost, by: Person | None = None) -> Json:
        viewer = self.viewer
        shown = {
            "id": post.label,
            "author": {"id": post.author.label, "username": f"~{post.author.label}"},
            "text": post.text,
            "visibility": post.visibility,
            "reply_to": post.above.label if post.above else None,
            "edited_at": len(post.texts) > 1,
            "mentions": [{"id": one.label} for one in self.model.people.values() if one in post.mentioned],
            "counts": self.model.counts(post),
            "reposted_by": {"id": by.label} if by else None,
        }
        if viewer is None:
            return shown
        liked, reposted, bookmarked = (viewer in post.engagements[engagement] for engagement in ENGAGEMENTS)
        return shown | {"viewer": {"liked": liked, "reposted": reposted, "bookmarked": bookmarked}}

    def _shown(self, posts: Sequence[ModelPost]) -> list[Json]:
        return [self.shown(post) for post in posts]

    def _placed(self, places: Sequence[Place]) -> list[Json]:
        return [self.shown(post, by) for _, post, by in places]

    def _place(self, post: ModelPost) -> Json:
        """A place in a thread: the post, or a tombstone, which is the same for a deleted and for a hidden post."""
        if self.model.can_see(self.viewer, post):
            return self.shown(post)
        return {
            "id": post.label,
            "reply_to": post.above and post.above.label,
            "type": "tombstone",
            "tombstone": True,
        }
