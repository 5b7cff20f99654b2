"""Every read path, asked over HTTP by some viewer and compared with what `sights.py` has on paper."""

import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from .client import Api, Json, Visitor
from .sights import MARKS, Note, Person, Place, Sights
from .world import _as_far_as, differences

MOMENT = 1.0
"""Seconds after which nothing is shown any more that was hidden, wherever it was."""
LATER = 10.0
"""Seconds after which everything is as it should be: counts of profiles, what followers are brought."""
WORDS = ("oak", "oat", "elm")
TAGS = ("ash", "asp", "fir")


class Differs(AssertionError):
    """The server and the model disagree."""


@dataclass(frozen=True)
class Look:
    """What one viewer should read at one address. `{p3}` stands for an id, `~` for the salt of the names."""

    viewer: Person | None
    path: str
    expected: Any
    """The status of a refusal, a list (of all pages), or a body as far as the model speaks of it."""
    params: Mapping[str, Any] = field(default_factory=dict)
    soft: bool = False
    """What is there shows itself a moment later; what is hidden does not show at all."""
    some: bool = False
    """It need not show all that it may, nor in the order of the model."""
    part: str = ""
    """What of each item is looked at, where there is one."""

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.params.items())
        return f"GET {self.path}{'?' if query else ''}{query} as {self.viewer or 'nobody'}"


@dataclass
class Watcher:
    """Reads what the people of `sights` see, in whichever of the processes chance picks.

    It has chance of its own, since it depends on time how often it reads.
    """

    sights: Sights
    apis: Sequence[Api]
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - no secret
    salt: str = field(default_factory=lambda: f"w{secrets.token_hex(5)}")
    ids: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    tokens: dict[Person, str] = field(default_factory=dict)
    hidden_by: float = 0.0
    """From this moment (monotonic) nothing may be shown that is hidden."""
    settled_by: float = 0.0
    """From this moment everything must be as the model has it."""
    soft_by: float = 0.0
    """From this moment what follows a moment later must be there too."""
    looks: int = 0
    shown: Counter[str] = field(default_factory=Counter)
    """How many items each list has shown."""

    def learn(self, label: str, id_: str) -> None:
        self.ids[label], self.labels[id_] = id_, label

    def disturbed(self, hidden: float, settled: float) -> None:
        """Something changed just now: what is hidden by it may be shown for `hidden` seconds more, and it may
        take `settled` seconds until everybody sees all of it."""
        now = time.monotonic()
        self.hidden_by = max(self.hidden_by, now + hidden)
        self.settled_by = max(self.settled_by, now + settled)
        self.soft_by = now + LATER

    def check(self, look: Look) -> None:
        """Raises Differs, if it is still so when it may not be any more."""
        self.looks += 1
        while True:
            begun = time.monotonic()
            read = self._read(look)
            expected = _some_of(look.expected, read) if look.some else look.expected
            found = _as_far_as(expected, read)
            shown_too_much = _labels(found) - _labels(expected)
            if found == expected:
                self.shown[look.path] += isinstance(found, list) and len(found)
                return
            settled_by = max(self.settled_by, self.soft_by) if look.soft else self.settled_by
            if begun > (self.hidden_by if shown_too_much else settled_by):
                raise Differs("\n  ".join([str(look), *_told(expected, found)]))
            time.sleep(0.02)

    # --- One read -----------------------------------------------------------------------------------

    def asks(self, api: Api, who: Person | None, method: str, path: str, **options: Any) -> httpx.Response:
        headers = options.pop("headers", {}) | (
            {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        )
        path = path.replace("~", self.salt).format(**self.ids)
        return Visitor(api.http).request(method, path, headers=headers, **options)

    def _read(self, look: Look) -> Any:
        api = self.chance.choice(self.apis)
        params = {name: self._true(value) for name, value in look.params.items()}
        if not isinstance(look.expected, list):
            response = self.asks(api, look.viewer, "GET", look.path, params=params)
            return self._found(response)
        items: list[Any] = []
        params["limit"] = self.chance.choice([3, 10, 100, 100])
        while True:
            response = self.asks(api, look.viewer, "GET", look.path, params=params)
            if response.status_code != 200:
                return response.status_code
            page = response.json()
            found = page["items"] if not look.part else [one[look.part] for one in page["items"]]
            items += [one for one in found if one is not None]
            if page.get("next") is None or not (look.some or self._go_on(page["items"])):
                return [self.abstract(item) for item in items if not self._strange(item)]
            params["cursor"] = page["next"]

    def _true(self, value: Any) -> Any:
        """With true names and ids."""
        value = re.sub(r"\{(\w+)\}", lambda found: self.ids[found[1]], str(value))
        return value.replace("~", self.salt)

    def _go_on(self, items: Sequence[Json]) -> bool:
        """Feeds of all people go back to what was there before this world."""
        oldest = min(int(id_) for id_ in self.labels)
        return all("author" not in item or int(item["id"]) > oldest for item in items)

    def _strange(self, item: Json) -> bool:
        """Whether it is of no concern to the people of this world."""
        if "id" in item:
            return item["id"] not in self.labels
        return "tag" in item and self.salt not in item["tag"]

    def _found(self, response: httpx.Response) -> Any:
        return self.abstract(response.json()) if response.status_code == 200 else response.status_code

    def abstract(self, value: Any) -> Any:
        """What came back, in labels."""
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
    """Whom and what a list shows; of one resource, that it is there."""
    if isinstance(value, list):
        return {_name(item).partition(" by ")[0] for item in value if "tombstone" not in item}
    if isinstance(value, dict) and "items" in value:
        return _labels(value["items"])
    if isinstance(value, dict) and "descendants" in value:
        return _labels(value["ancestors"]) | _labels(value["descendants"])
    return set() if isinstance(value, int) else {"there"}


def _some_of(expected: Sequence[Json], found: Any) -> list[Json]:
    """Those that were found, in the order in which they were."""
    named = {_name(item): item for item in expected}
    return (
        [named[name] for item in found if (name := _name(item)) in named] if isinstance(found, list) else []
    )


def _told(expected: Any, found: Any) -> list[str]:
    """Where the two are not the same; of lists first what they hold."""
    names = [[_name(item) for item in one] if isinstance(one, list) else one for one in (expected, found)]
    if isinstance(expected, list) and names[0] != names[1]:
        return [f"the model has {names[0]}", f"the server {names[1]}"]
    return differences(expected, found)


def _name(item: Json) -> str:
    by = item.get("reposted_by")
    return str(item.get("id") or item.get("tag") or repr(item["text"])) + (f" by {by['id']}" if by else "")


# --- What there is to see ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Views:
    """The reads of one viewer, with what they should show."""

    sights: Sights
    viewer: Person | None

    def feeds(self) -> Iterator[Look]:
        sights, viewer = self.sights, self.viewer
        if viewer is not None:
            yield self._look("/api/v1/feeds/home", self._placed(sights.home(viewer)), soft=True)
        yield self._look("/api/v1/feeds/public", self._shown(sights.public(viewer)))
        for tag in TAGS:
            yield self._look(f"/api/v1/feeds/hashtags/~{tag}", self._shown(sights.tagged(viewer, tag)))
        yield self._look("/api/v1/trending/posts", self._shown(sights.may_trend(viewer)), some=True)

    def told(self) -> Iterator[Look]:
        """Whoever may not be seen, or what, is not in what one was told either. What has to be told is for others
        to say."""
        sights, viewer = self.sights, self.viewer
        if viewer is None:
            return
        notes = self._shown([one for one in sights.notes.values() if sights.sees(viewer, one)])
        people = [{"id": one.label} for one in sights.people_found(viewer)]
        for part, expected in (("post", notes), ("actor", people)):
            yield Look(viewer, "/api/v1/notifications", expected, some=True, part=part)

    def finds(self) -> Iterator[Look]:
        sights, viewer = self.sights, self.viewer
        somebody = next(iter(sights.people.values()))
        for word in WORDS:
            yield self._search(f"~{word}", self._shown(sights.found(viewer, word)))
        for tag in TAGS:
            yield self._search(f"#~{tag}", self._shown(sights.found(viewer, tag=tag)))
        yield self._search(f"from:~{somebody.label}", self._shown(sights.found(viewer, by=somebody)))
        people = [{"id": one.label} for one in sights.people_found(viewer)]
        yield self._search("~p", people, type="users")
        tags = [
            {"tag": f"~{tag}", "posts": uses} for tag, uses in sights.tags(viewer).items() if tag[0] == "a"
        ]
        yield self._search("~a", tags, type="hashtags")

    def _search(self, query: str, expected: list[Json], **params: str) -> Look:
        params = {"q": query, "type": "posts"} | params
        return Look(self.viewer, "/api/v1/search", expected, params)

    def people(self) -> Iterator[Look]:
        sights, viewer = self.sights, self.viewer
        here = [one for one in sights.people.values() if not one.gone]
        for person in sights.people.values():
            path = f"/api/v1/users/{{{person.label}}}"
            if person.gone:
                for below in ("", "/posts", "/followers"):
                    yield self._look(f"{path}{below}", 404)
                continue
            yield self._look(path, sights.profile(person), soft=True)
            yield self._look(f"{path}/posts", self._shown(sights.posts_of(viewer, person)))
            with_reposts = self._placed(sights.page_of(viewer, person))
            yield self._look(f"{path}/posts", with_reposts, reposts="true")
            listed = {
                "followers": sights.followers(viewer, person),
                "following": sights.following(viewer, person),
            }
            for name, people in listed.items():
                shown = [{"id": one.label} for one in people] if sights.may_list(viewer, person) else 403
                yield self._look(f"{path}/{name}", shown)
        if viewer is not None:
            others = [one for one in here if one is not viewer]
            asked = ",".join(f"{{{one.label}}}" for one in others)
            relations = [{"id": one.label, **sights.relationship(viewer, one)} for one in others]
            yield self._look("/api/v1/relationships", {"items": relations}, ids=asked)
            asking = [(number, who) for (who, whom), number in sights.requests.items() if whom is viewer]
            shown = [{"id": who.label} for _, who in sorted(asking, key=lambda pair: -pair[0])]
            yield self._look("/api/v1/me/follow-requests", shown)

    def notes(self, notes: Sequence[Note]) -> Iterator[Look]:
        sights, viewer = self.sights, self.viewer
        for note in notes:
            path, seen = f"/api/v1/posts/{{{note.label}}}", sights.sees(viewer, note)
            yield self._look(path, self.shown(note) if seen else 404)
            versions = [{"text": text} for text in note.texts]
            yield self._look(f"{path}/history", versions if seen else 404)
            comments = [self._place(one) for one in sights.comments(viewer, note)]
            viewer_context = note.deleted and sights.stands(note)
            yield self._look(f"{path}/comments", comments if seen or viewer_context else 404)
            above = [self._place(one) for one in sights.ancestors(note)]
            below = [self._place(one) for one in sights.descendants(viewer, note)]
            yield self._look(f"{path}/context", {"ancestors": above, "descendants": below} if seen else 404)
            for mark in ("like", "repost"):
                who = [{"id": one.label} for one in sights.who_marked(viewer, note, mark)]
                yield self._look(f"{path}/{mark}s", who if seen else 404)
        asked = ",".join(f"{{{note.label}}}" for note in notes)
        batch = [self.shown(note) for note in notes if sights.sees(viewer, note)]
        yield self._look("/api/v1/posts", {"items": batch}, ids=asked)
        if viewer is not None:
            for mark in ("like", "bookmark"):
                yield self._look(f"/api/v1/me/{mark}s", self._shown(sights.marked(viewer, mark)))

    def _look(
        self, path: str, expected: Any, *, soft: bool = False, some: bool = False, **params: str
    ) -> Look:
        return Look(self.viewer, path, expected, params, soft=soft, some=some)

    # --- Posts --------------------------------------------------------------------------------------

    def shown(self, note: Note, by: Person | None = None) -> Json:
        viewer = self.viewer
        shown = {
            "id": note.label,
            "author": {"id": note.author.label, "username": f"~{note.author.label}"},
            "text": note.text,
            "visibility": note.visibility,
            "reply_to": note.above.label if note.above else None,
            "edited_at": len(note.texts) > 1,
            "mentions": [{"id": one.label} for one in self.sights.people.values() if one in note.mentioned],
            "counts": self.sights.counts(note),
            "reposted_by": {"id": by.label} if by else None,
        }
        if viewer is None:
            return shown
        liked, reposted, bookmarked = (viewer in note.marks[mark] for mark in MARKS)
        return shown | {"viewer": {"liked": liked, "reposted": reposted, "bookmarked": bookmarked}}

    def _shown(self, notes: Sequence[Note]) -> list[Json]:
        return [self.shown(note) for note in notes]

    def _placed(self, places: Sequence[Place]) -> list[Json]:
        return [self.shown(note, by) for _, note, by in places]

    def _place(self, note: Note) -> Json:
        """A place in a thread. Nothing tells whether it was deleted or is for others."""
        if self.sights.sees(self.viewer, note):
            return self.shown(note)
        return {
            "id": note.label,
            "reply_to": note.above and note.above.label,
            "type": "tombstone",
            "tombstone": True,
        }
